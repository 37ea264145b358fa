use std::sync::Arc;

use buttress_core::{Body as Answer, CorrelationId};
use http::Response;
use http_body::Body;

use crate::{
    Claim, Cursor, EventLog, Excerpt, MalformedCursor, ResumeBody, StreamKey, StreamState,
    head::is_event_stream,
    resume::{
        answer::{self, Verdict, judge},
        follow::Follow,
        producer::produce,
        reader::{Arrival, Reader},
        settings::{Settings, Shared},
        stamp::Stamp,
        tenure::Tenure,
    },
};

/// What is known of a request that wants a stream.
pub(crate) struct Visit<L> {
    pub(crate) key: StreamKey,
    pub(crate) asked: Result<Option<Cursor>, MalformedCursor>,
    pub(crate) correlation_id: Option<CorrelationId>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared<L>>,
}

/// What one step comes to.
#[expect(clippy::large_enum_variant, reason = "it lives for one step, and a box would cost more")]
pub(crate) enum Turn<ResB, L: EventLog> {
    Read,
    Claim,
    Wait(Cursor),
    Call(Cursor),
    Answer(Response<ResumeBody<ResB, L>>),
}

impl<L: EventLog> Visit<L> {
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        self.asked.as_ref().ok().and_then(Option::as_ref)
    }

    /// A reader that comes back most likely finds its stream; a new one may begin it.
    pub(crate) fn arrive<B>(&self) -> Turn<B, L> {
        match &self.asked {
            Err(_) => Turn::Answer(answer::malformed(self.correlation_id.as_ref()).map(ResumeBody::answer)),
            Ok(Some(_)) => Turn::Read,
            Ok(None) => Turn::Claim,
        }
    }

    pub(crate) fn read<B>(&self, read: Result<Option<Excerpt>, L::Error>) -> Turn<B, L> {
        let excerpt = match read {
            Ok(excerpt) => excerpt,
            Err(error) => return self.failed(&error),
        };
        match (judge(excerpt.as_ref(), self.cursor()), excerpt) {
            (Verdict::Wait, Some(excerpt)) => Turn::Wait(excerpt.from),
            (Verdict::Seen, _) => Turn::Answer(answer::seen().map(ResumeBody::answer)),
            (Verdict::Play(arrival), Some(excerpt)) => {
                let head = answer::head(arrival, &excerpt.from);
                Turn::Answer(Response::from_parts(head, self.reader(excerpt, arrival)))
            }
            (Verdict::Claim | Verdict::Wait | Verdict::Play(_), _) => Turn::Claim,
        }
    }

    pub(crate) fn claimed<B>(&self, claim: Result<Claim, L::Error>, start: &Cursor) -> Turn<B, L> {
        match claim {
            Ok(Claim::Won) => Turn::Call(start.clone()),
            Ok(Claim::Taken) => Turn::Read,
            Ok(Claim::Full) => Turn::Answer(self.later()),
            Err(error) => self.failed(&error),
        }
    }

    /// Whatever the news is, the stream is to be looked at again.
    pub(crate) fn waited<B>(&self, news: Option<Result<Excerpt, L::Error>>) -> Turn<B, L> {
        match news {
            Some(Err(error)) => self.failed(&error),
            Some(Ok(_)) | None => Turn::Read,
        }
    }

    /// The service has answered: its stream begins, or there is none.
    pub(crate) fn called<B, E>(
        &self,
        answered: Result<Response<B>, E>,
        tenure: Tenure<L>,
    ) -> Result<Response<ResumeBody<B, L>>, E>
    where
        B: Body + Send + 'static,
        B::Data: Send,
    {
        match answered {
            Ok(response) if is_event_stream(&response) => Ok(self.begin(response, tenure)),
            answered => {
                self.give_up(tenure);
                answered.map(|response| response.map(|body| ResumeBody::answer(Answer::inner(body))))
            }
        }
    }

    fn begin<B>(&self, response: Response<B>, mut tenure: Tenure<L>) -> Response<ResumeBody<B, L>>
    where
        B: Body + Send + 'static,
        B::Data: Send,
    {
        let (mut head, body) = response.into_parts();
        let arrival = if self.cursor().is_some() { Arrival::Lost } else { Arrival::Fresh };
        let from = tenure.at().clone();
        answer::adapt(&mut head, arrival, &from);
        let opening = tenure.open();
        let audience = self.settings.grace.map(|grace| (self.shared.audiences.open(&self.key), grace));
        let excerpt = Excerpt { state: StreamState::Live, from, covered: true, events: Vec::new(), last: 0 };
        let reader = self.reader(excerpt, arrival);
        let stamp = Stamp::new(self.settings.max_event);
        self.shared.spawn(async move {
            // If it was in vain, the first write will tell.
            let _opened = opening.await;
            produce(body, tenure, stamp, audience).await;
        });
        Response::from_parts(head, reader)
    }

    /// Frees the key of a stream that does not come about.
    fn give_up(&self, tenure: Tenure<L>) {
        let released = tenure.release();
        self.shared.spawn(async move {
            // If it was in vain, the lease lapses.
            let _released = released.await;
        });
    }

    fn reader<B>(&self, excerpt: Excerpt, arrival: Arrival) -> ResumeBody<B, L> {
        let Self { key, settings, shared, .. } = self;
        let follow = Follow::new(key.clone(), excerpt);
        let seat = shared.audiences.join(key);
        ResumeBody::events(Reader::new(follow, arrival, settings.clone(), shared.clone(), seat))
    }

    pub(crate) fn tenure(&self, start: Cursor) -> Tenure<L> {
        let Self { key, correlation_id, settings, shared, .. } = self;
        Tenure::new(shared.log.clone(), key.clone(), start, correlation_id.clone(), settings.clone())
    }

    fn failed<B>(&self, error: &L::Error) -> Turn<B, L> {
        self.settings.report(error);
        Turn::Answer(self.later())
    }

    pub(crate) fn later<B>(&self) -> Response<ResumeBody<B, L>> {
        answer::later(&self.settings).map(ResumeBody::answer)
    }
}
