//! What a file says about the job behind it (pure).

use std::time::Duration;

use buttress_provider::{
    Artifact, Cost, Job, JobError, JobId, JobStatus, MediaKind, Model, PriceUnit, ProviderError, ProviderErrorKind,
};
use http::{Uri, uri::Scheme};

use crate::{
    error::not_understood,
    models,
    wire::{FileRead, Generation, whole},
};

const NO_REASON: &str = "the provider could not make it, and gave no reason";

impl FileRead {
    /// How the job stands.
    ///
    /// An address is there: completed, whatever an old task says. Else any failed task is a failure; a completed one
    /// means that the address is to come; no task at all means nothing.
    pub(crate) fn job(&self) -> Result<Job, ProviderError> {
        let id: JobId = self.id.parse().map_err(not_understood)?;
        let job = Job::new(id.clone(), self.media_kind()?);
        let any = |status: &str| self.tasks.iter().any(|task| task.status.as_deref() == Some(status));
        Ok(if self.address().is_some() {
            job.completed(id.into())
        } else if any("error") {
            job.failed(JobError::failed(NO_REASON))
        } else {
            job.status(JobStatus::Running).step(if any("completed") { "finalising" } else { "generating" })
        })
    }

    /// What the job made. The model list helps with the price.
    pub(crate) fn artifact(self, models: &[Model]) -> Result<Artifact, ProviderError> {
        let job = self.job()?;
        let address = match job.status {
            JobStatus::Completed => self.address().filter(|url| is_absolute(url)),
            JobStatus::Failed => return Err(ProviderError::new(ProviderErrorKind::JobFailed, NO_REASON)),
            _ => return Err(ProviderError::new(ProviderErrorKind::NotFinished, "the job is not finished")),
        };
        let url = address.ok_or_else(|| not_understood("the address of the result is none"))?.to_owned();
        let media_type = media_type(&url, job.kind);
        let mut artifact = Artifact::new(job.id, job.kind, url, media_type);
        artifact.cost = self.cost(job.kind, models);
        if let Some(generation) = self.generation(job.kind) {
            artifact.width = generation.width.and_then(|width| width.try_into().ok());
            artifact.height = generation.height.and_then(|height| height.try_into().ok());
        }
        artifact.duration = self.duration.and_then(seconds).filter(|_| job.kind == MediaKind::Video);
        artifact.thumbnail_url = self.thumbnail_url.filter(|url| is_absolute(url));
        Ok(artifact)
    }

    /// The address of the media, once it is made.
    pub(crate) fn address(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    /// The parameters that a picture or a video is made with.
    pub(crate) fn generation(&self, kind: MediaKind) -> Option<&Generation> {
        match kind {
            MediaKind::Image => self.image_generation.as_ref(),
            MediaKind::Video => self.video_generation.as_ref(),
            _ => None,
        }
    }

    /// By the parameters it is made with; by its type where there are none, as for an upload.
    fn media_kind(&self) -> Result<MediaKind, ProviderError> {
        if self.image_generation.is_some() {
            return Ok(MediaKind::Image);
        }
        if self.video_generation.is_some() {
            return Ok(MediaKind::Video);
        }
        match self.kind.as_deref() {
            Some("image") => Ok(MediaKind::Image),
            Some("video") => Ok(MediaKind::Video),
            _ => Err(not_understood("the file is neither picture nor video")),
        }
    }

    /// A picture costs its price, a video its price for each second that was asked for.
    fn cost(&self, kind: MediaKind, models: &[Model]) -> Option<Cost> {
        let generation = self.generation(kind)?;
        let nested = generation.generation_config.as_ref().and_then(models::price);
        let listed = || {
            let name = generation.generation_config_name.as_deref()?;
            models.iter().find(|model| model.name == name)?.price.clone()
        };
        let price = nested.or_else(listed)?;
        let amount = match price.per {
            PriceUnit::Image => price.amount,
            PriceUnit::Second => price.amount * generation.duration.or(self.duration)?,
            _ => return None,
        };
        (amount.is_finite() && amount >= 0.0).then(|| Cost::credits(amount))
    }
}

/// A browser may be shown it: nothing but `http` and `https`, and no path of somebody's own.
pub(crate) fn is_absolute(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let scheme = uri.as_ref().and_then(Uri::scheme);
    scheme == Some(&Scheme::HTTPS) || scheme == Some(&Scheme::HTTP)
}

fn seconds(seconds: f64) -> Option<Duration> {
    let millis = whole((seconds * 1_000.0).round())?;
    Some(Duration::from_millis(millis))
}

/// By the ending of the address, else what the provider usually makes.
fn media_type(url: &str, kind: MediaKind) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("webp") => "image/webp",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("avif") => "image/avif",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("mov") => "video/quicktime",
        _ if kind == MediaKind::Video => "video/mp4",
        _ => "image/webp",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0d5b1c8e-4f0a-4b52-9a5e-2f6f3b8e7a10";

    fn file(more: Value) -> FileRead {
        let mut file = json!({ "id": ID, "type": "video" });
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(file).unwrap()
    }

    fn stands(more: Value) -> (JobStatus, Option<String>) {
        let job = file(more).job().unwrap();
        (job.status, job.step.map(Into::into))
    }

    // quirk 12
    #[test]
    fn missing_empty_and_null_tasks_are_no_end() {
        for more in [json!({}), json!({ "tasks": [] }), json!({ "tasks": null }), json!({ "tasks": [{}] })] {
            assert_eq!(stands(more), (JobStatus::Running, Some("generating".into())));
        }
    }

    #[test]
    fn a_completed_task_without_an_address_is_not_the_end() {
        let done = json!({ "tasks": [{ "status": "completed" }], "url": null });
        assert_eq!(stands(done), (JobStatus::Running, Some("finalising".into())));
    }

    #[test]
    fn an_address_wins_over_an_old_failure() {
        let both = json!({ "tasks": [{ "status": "error" }], "url": "https://x/y.mp4" });
        assert_eq!(stands(both).0, JobStatus::Completed);
    }

    // quirk 8
    #[test]
    fn any_failed_task_without_an_address_is_a_failure_with_a_text() {
        let tasks = json!([{ "status": "error" }, { "status": "completed" }, { "status": "in_progress" }]);
        let job = file(json!({ "tasks": tasks })).job().unwrap();
        assert_eq!(job.status, JobStatus::Failed);
        assert!(!job.error.unwrap().message.is_empty());
    }

    // quirk 20, AIC-14
    #[test]
    fn unknown_states_types_and_members_break_nothing() {
        let odd = json!({ "type": "hologram", "tasks": [{ "status": "PAUSED" }], "x": 1,
            "video_generation": { "generation_config": { "type": 7 }, "references": "?" } });
        assert_eq!(stands(odd).0, JobStatus::Running);
        assert_eq!(stands(json!({ "tasks": [{ "status": "ERROR" }] })).0, JobStatus::Running);
    }

    #[test]
    fn a_file_that_is_no_picture_or_video_is_not_understood() {
        let error = file(json!({ "type": "music" })).job().unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Decode);
        let error = file(json!({ "id": "../../x" })).job().unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Decode);
    }

    // AIC-9
    #[test]
    fn there_is_a_result_only_at_the_end_and_only_at_a_true_address() {
        let kind = |more| file(more).artifact(&[]).unwrap_err().kind();
        assert_eq!(kind(json!({})), ProviderErrorKind::NotFinished);
        assert_eq!(kind(json!({ "url": "" })), ProviderErrorKind::NotFinished);
        assert_eq!(kind(json!({ "tasks": [{ "status": "error" }] })), ProviderErrorKind::JobFailed);
        for bad in ["javascript:alert(1)", "/relative.mp4", "data:text/html,x", "//host/x", "https:"] {
            assert_eq!(kind(json!({ "url": bad })), ProviderErrorKind::Decode, "{bad}");
        }
    }

    #[test]
    fn the_media_type_is_told_by_the_ending_or_by_the_kind() {
        let table = [
            ("https://x/a.webp", MediaKind::Image, "image/webp"),
            ("https://x/a.PNG?b=c.mp4", MediaKind::Image, "image/png"),
            ("https://x/a", MediaKind::Image, "image/webp"),
            ("https://x/a.bin", MediaKind::Video, "video/mp4"),
            ("https://x/a.webm#t", MediaKind::Video, "video/webm"),
        ];
        for (url, kind, expected) in table {
            assert_eq!(media_type(url, kind), expected, "{url}");
        }
    }

    // quirks 10 and 11
    #[test]
    fn a_video_costs_its_price_for_each_second_that_was_asked_for() {
        let done = json!({ "url": "https://x/y.mp4", "duration": 5.04, "video_generation": {
            "duration": 5.0, "width": null, "generation_config_name": "m",
            "generation_config": { "name": "m", "type": "image_to_video", "params": { "price_per_second": 0.4 } } } });
        let artifact = file(done.clone()).artifact(&[]).unwrap();
        assert_eq!(artifact.cost, Some(Cost::credits(2.0)));
        assert_eq!((artifact.width, artifact.duration), (None, Some(Duration::from_millis(5_040))));

        let mut unnested = done;
        unnested["video_generation"]["generation_config"] = Value::Null;
        assert_eq!(file(unnested.clone()).artifact(&[]).unwrap().cost, None);
        let mut model = Model::new("m", buttress_provider::Task::ImageToVideo);
        model.price = Some(buttress_provider::Price::credits(1.0, PriceUnit::Second));
        assert_eq!(file(unnested).artifact(&[model]).unwrap().cost, Some(Cost::credits(5.0)));
    }

    // quirk 9
    #[test]
    fn seeds_have_64_bits_and_numbers_may_come_in_quotes() {
        let odd =
            json!({ "image_generation": { "seed": 9_223_372_036_854_775_807_u64, "width": "1920", "height": 1080.0 } });
        let generation = file(odd).image_generation.unwrap();
        assert_eq!(generation.seed, Some(i64::MAX as u64));
        assert_eq!((generation.width, generation.height), (Some(1_920), Some(1_080)));
        let none = file(json!({ "image_generation": { "seed": -1, "width": "wide", "height": 1.5 } }));
        let none = none.image_generation.unwrap();
        assert_eq!((none.seed, none.width, none.height), (None, None, None));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            "[a-z]{1,4}",
            prop::sample::select(vec![
                "id",
                "url",
                "type",
                "tasks",
                "status",
                "image_generation",
                "video_generation",
                "duration",
                "seed",
                "generation_config",
                "params",
                "items",
                "next",
                "offset",
                "name",
            ])
            .prop_map(str::to_owned),
        ];
        leaf.prop_recursive(4, 48, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(key.clone(), inner, 0..8).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        // AIC-14
        #[test]
        fn any_json_is_read_without_a_panic(value in any_json()) {
            let bytes = value.to_string();
            if let Ok(file) = serde_json::from_str::<FileRead>(&bytes) {
                let _ = file.job();
                let _ = file.artifact(&[]);
            }
            let _ = serde_json::from_str::<crate::wire::Created>(&bytes).map(crate::wire::Created::first);
            let _ = serde_json::from_str::<crate::wire::Page<FileRead>>(&bytes);
            if let Ok(config) = serde_json::from_str(&bytes) {
                let _ = models::model(config);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = serde_json::from_slice::<crate::wire::Created>(&bytes);
        }
    }
}
