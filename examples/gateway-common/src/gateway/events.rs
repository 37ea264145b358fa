//! The event stream of a job.

use buttress_core::Problem;
use buttress_provider::{JobEvent, JobEventKind, JobStatus};
use buttress_sse::{Event, EventBody, EventName, Heartbeat, Resume, last_event_id};
use http::{HeaderMap, Response};

use super::{Gateway, RECONNECT};
use crate::{Context, codes, jobs::Record, run, telemetry, view::line_event_json};

const HEARTBEAT: EventName = EventName::from_static("heartbeat");

impl Gateway {
    /// `GET /api/jobs/{jobId}/events`; `None` when there is nothing more to tell: 204.
    ///
    /// A job goes on and is told of whether or not anybody ever asks for its events, so its watch publishes them, and
    /// readers are answered from the log: a `ResumeLayer` would begin with the first reader. Heartbeats and the end at
    /// a shutdown are the [layer](Self::heartbeats)'s.
    ///
    /// # Errors
    ///
    /// 404 when this user has no such job, 400 for a malformed cursor.
    pub fn events(
        &self,
        cx: &Context,
        id: &str,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Option<Response<EventBody>>, Problem> {
        let record = self.find(&cx.user, id)?;
        let id = record.job.id.clone();
        let cursor = last_event_id(headers, query)
            .map_err(|error| codes::bad_request(format!("Last-Event-ID is no cursor: {error}")))?;
        let replay = match self.0.log.resume_from(id.as_str(), cursor.as_ref()) {
            Resume::Play(replay) => replay,
            Resume::Finished => return Ok(None),
            Resume::Unknown if cursor.is_some() && cursor == record.last => return Ok(None),
            Resume::Unknown => {
                self.tell_end_again(&record);
                let Resume::Play(replay) = self.0.log.resume_from(id.as_str(), cursor.as_ref()) else {
                    return Ok(None);
                };
                replay
            }
        };
        telemetry::event_stream_opened();
        let beat = self.0.heartbeat.clone().event({
            let id = id.clone();
            move || Event::data(line_event_json("heartbeat", &id)).name(HEARTBEAT)
        });
        let reset = move || Event::data(line_event_json("reset", &id));
        let mut response = replay.retry(RECONNECT).heartbeat(Heartbeat::never()).reset(reset).into_response();
        // For the layer, which beats with this instead of a comment.
        response.extensions_mut().insert(beat);
        Ok(Some(response))
    }

    /// The events of a finished job are forgotten after a while, how it ended is not.
    fn tell_end_again(&self, record: &Record) {
        let kind = match record.job.status {
            JobStatus::Completed => JobEventKind::Completed,
            JobStatus::Failed | JobStatus::Cancelled => JobEventKind::Failed,
            _ => return,
        };
        // Another reader may have been first.
        if let Ok(publisher) = self.0.log.create(record.job.id.as_str()) {
            let event = JobEvent::of(&record.job, kind);
            let last = publisher.finish(run::event(&event, &record.correlation_id));
            self.0.jobs.update(&record.job.id, |record| record.last = Some(last));
        }
    }
}
