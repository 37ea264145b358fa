//! The task that reads an inner stream to its end, whoever listens.

use std::{
    future::{pending, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::Body;
use tokio::{
    task::coop::consume_budget,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use crate::{
    EventLog,
    resume::{
        audience::Audience,
        failure::Failure,
        stamp::Stamp,
        tenure::{LEASE, Lost, Tenure},
    },
};

/// What a producer has to do next.
enum Next {
    Chunk(Bytes),
    Renew,
    /// The stream ends here.
    End(Option<Failure>),
}

/// Reads at full speed: what nobody has read when the log is full of newer events is evicted.
pub(crate) async fn produce<B: Body, L: EventLog>(
    body: B,
    mut tenure: Tenure<L>,
    mut stamp: Stamp,
    audience: Option<(Audience, Duration)>,
) {
    let (mut body, mut deserted) = (pin!(body), pin!(desertion(audience)));
    let mut renewal = interval_at(Instant::now() + LEASE / 3, LEASE / 3);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        consume_budget().await;
        let kept = match poll_fn(|cx| poll_next(body.as_mut(), deserted.as_mut(), &mut renewal, cx)).await {
            Next::Chunk(chunk) => keep(&mut tenure, &mut stamp, chunk).await,
            Next::Renew => tenure.renew().await.map_err(|Lost| None),
            Next::End(failure) => return tenure.finish(failure).await,
        };
        match kept {
            Ok(()) => {}
            Err(None) => return,
            Err(failure) => return tenure.finish(failure).await,
        }
    }
}

async fn desertion(audience: Option<(Audience, Duration)>) {
    match audience {
        Some((audience, grace)) => audience.gone_for(grace).await,
        None => pending().await,
    }
}

/// An event that is there beats the news that nobody wants it.
fn poll_next<B: Body>(
    mut body: Pin<&mut B>,
    deserted: Pin<&mut impl Future<Output = ()>>,
    renewal: &mut Interval,
    cx: &mut Context<'_>,
) -> Poll<Next> {
    while let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
        return Poll::Ready(match frame {
            None => Next::End(None),
            Some(Err(_)) => Next::End(Some(Failure::Failed)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => Next::Chunk(data.copy_to_bytes(data.remaining())),
                // Trailers are for one connection, not for those who come back.
                Err(_) => continue,
            },
        });
    }
    if deserted.poll(cx).is_ready() {
        return Poll::Ready(Next::End(Some(Failure::Cancelled)));
    }
    renewal.poll_tick(cx).map(|_| Next::Renew)
}

/// Keeps the events that end in a chunk. The error is how the stream is to end, if it is ours to.
async fn keep<L: EventLog>(tenure: &mut Tenure<L>, stamp: &mut Stamp, mut chunk: Bytes) -> Result<(), Option<Failure>> {
    while let Some(draft) = stamp.next(&mut chunk).map_err(|_| Some(Failure::Failed))? {
        tenure.append(&draft).await.map_err(|Lost| None)?;
    }
    Ok(())
}
