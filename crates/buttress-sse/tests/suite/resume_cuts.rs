//! Connections that are cut anywhere, and clients that come back.

use std::fmt::Debug;

use buttress_sse::{Decoder, Frame, Retention};
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::stage::{Stage, request, say};

/// A recorded stream, with everything that has ever broken a reader.
const RECORDED: &str = concat!(
    "retry: 100\n\n: hello\n\n",
    "event: progress\ndata: {\"progress\":0.5}\n\n",
    "id: own\r\ndata: two\r\ndata: lines\r\n\r\n",
    "data\n\n",
    "event: nothing\n\n",
    "data: \u{1F980} \u{e4}\rdata:x\r\r",
    "unknown: field\ndata: last\n\n",
    "data: never ended\n",
);

fn events(stream: &[u8]) -> Vec<(String, String)> {
    let mut chunk = Bytes::copy_from_slice(stream);
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    while let Some(frame) = decoder.decode(&mut chunk).unwrap() {
        if let Frame::Message(message) = frame {
            events.push((message.name().to_owned(), message.data().to_owned()));
        }
    }
    events
}

/// A client of one stream over many connections.
#[derive(Default)]
pub(crate) struct Client {
    decoder: Decoder,
    /// Names and data.
    pub(crate) seen: Vec<(String, String)>,
    connections: usize,
}

impl Client {
    /// Reads at most so many bytes of one connection; whether the server has said that all is read.
    pub(crate) async fn connect(&mut self, stage: &Stage, most: usize) -> bool {
        let answer = stage.get(request("alice", self.last_id().as_deref())).await;
        if answer.status() == 204 {
            return true;
        }
        self.read(answer.into_body(), most).await;
        false
    }

    pub(crate) fn last_id(&self) -> Option<String> {
        Some(self.decoder.last_event_id()).filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// Reads at most so many bytes of what a new connection brings.
    pub(crate) async fn read<B: Body<Data = Bytes, Error: Debug>>(&mut self, body: B, most: usize) {
        self.connections += 1;
        assert!(self.connections < 10_000, "it gets ahead");
        self.decoder.restart();
        let (mut body, mut left) = (Box::pin(body), most);
        while left > 0
            && let Some(frame) = body.frame().await
        {
            let mut data = frame.unwrap().into_data().unwrap();
            data.truncate(left);
            left -= data.len();
            while let Some(frame) = self.decoder.decode(&mut data).unwrap() {
                if let Frame::Message(message) = frame {
                    self.seen.push((message.name().to_owned(), message.data().to_owned()));
                }
            }
        }
    }
}

async fn written(stream: &[u8], chunk: usize) -> Stage {
    let stage = Stage::new();
    drop(stage.get(request("alice", None)).await);
    let pen = stage.pen();
    for chunk in stream.chunks(chunk) {
        pen.send(Ok(Bytes::copy_from_slice(chunk))).unwrap();
    }
    drop(pen);
    stage
}

// SSE-46
#[tokio::test(start_paused = true)]
async fn a_cut_at_every_byte_gives_each_event_once_and_in_order() {
    let expected = events(RECORDED.as_bytes());
    assert_eq!(expected.len(), 5);
    let whole = {
        let answer = written(RECORDED.as_bytes(), 7).await.get(request("alice", None)).await;
        answer.into_body().collect().await.unwrap().to_bytes().len()
    };
    for cut in 0..=whole {
        let stage = written(RECORDED.as_bytes(), 7).await;
        let mut client = Client::default();
        client.connect(&stage, cut).await;
        while !client.connect(&stage, usize::MAX).await {}
        assert_eq!(client.seen, expected, "cut after {cut} bytes");
    }
}

// SSE-46
#[tokio::test(start_paused = true)]
async fn two_cuts_at_every_pair_of_bytes_give_each_event_once_and_in_order() {
    let expected = events(RECORDED.as_bytes());
    let stage = written(RECORDED.as_bytes(), usize::MAX).await;
    for first in (0..400).step_by(3) {
        for second in (0..400).step_by(7) {
            let mut client = Client::default();
            client.connect(&stage, first).await;
            client.connect(&stage, second).await;
            while !client.connect(&stage, usize::MAX).await {}
            assert_eq!(client.seen, expected, "cut after {first} and {second} bytes");
        }
    }
}

// SSE-1, SSE-46
#[tokio::test(start_paused = true)]
async fn what_is_kept_does_not_depend_on_how_the_stream_came() {
    let expected = events(RECORDED.as_bytes());
    for chunk in 1..RECORDED.len() {
        let stage = written(RECORDED.as_bytes(), chunk).await;
        let mut client = Client::default();
        while !client.connect(&stage, usize::MAX).await {}
        assert_eq!(client.seen, expected, "chunks of {chunk}");
    }
}

/// What happens to a stream and one of its readers.
#[derive(Clone, Debug)]
enum Act {
    Say(u8),
    Read { reader: Index, bytes: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (1..6_u8).prop_map(Act::Say),
        (any::<Index>(), 0..200_usize).prop_map(|(reader, bytes)| Act::Read { reader, bytes }),
    ];
    vec(act, 0..40)
}

/// Each reader's numbers go up by one, but where it was told of a loss; what it has is true.
pub(crate) fn check(seen: &[(String, String)], bounded: bool) -> Result<u64, TestCaseError> {
    let mut last = 0;
    let mut told = false;
    for (name, data) in seen {
        if name == "reset" {
            prop_assert!(bounded, "nothing was evicted");
            told = true;
            continue;
        }
        let number: u64 = data.parse().unwrap();
        prop_assert!(number > last, "never a second time, never out of order");
        // Who comes without a cursor asks for what is kept.
        prop_assert!(told || last == 0 || number == last + 1, "no gap in silence");
        (last, told) = (number, false);
    }
    Ok(last)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // SSE-46, SSE-47, SSE-48, SSE-58
    #[test]
    fn readers_that_come_and_go_lose_nothing_in_silence(acts in acts(), kept in prop_oneof![Just(1000), 1..9_usize]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stage = Stage::with(Retention::default().events(kept), |layer| layer);
            drop(stage.get(request("alice", None)).await);
            let pen = stage.pen();
            let mut clients: [Client; 3] = Default::default();
            let mut said = 0;
            for act in acts {
                match act {
                    Act::Say(events) => for _ in 0..events {
                        said += 1;
                        say(&pen, &format!("data: {said}\n\n"));
                    },
                    Act::Read { reader, bytes } => {
                        let client = &mut clients[reader.index(3)];
                        let reading = client.connect(&stage, bytes);
                        // It ends at the cut, or waits for what is not said yet.
                        let _cut = tokio::time::timeout(std::time::Duration::from_secs(1), reading).await;
                    }
                }
            }
            drop(pen);
            for client in &mut clients {
                while !client.connect(&stage, usize::MAX).await {}
                prop_assert_eq!(check(&client.seen, kept < 1000)?, said, "all the way to the end");
            }
            prop_assert_eq!(stage.calls(), 1);
            Ok(())
        })?;
    }
}
