//! The files and jobs that an accepted order makes.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    JobReport, JobStatus,
    admit::Admitted,
    jobs,
    order::{AudioSpec, ImageSpec, VideoSpec, What},
    picture::{self, Picture},
    stamp,
    store::{Job, Output, Record},
    wire::{AudioRead, FileRead, ImageRead, TaskRead, VideoRead},
    world::World,
};

/// What a video's thumbnail measures.
const THUMBNAIL: (u32, u32) = (320, 180);
/// Why a job fails that was doomed beforehand.
const DOOMED: &str = "the script said so";

impl Admitted {
    /// Makes one file of the order, and starts its job.
    pub(crate) fn make(&self, world: &Arc<World>, copy: usize) -> FileRead {
        let seed = self.seed(copy);
        let (mut file, output) = match &self.order.what {
            What::Image(spec) => self.image(seed, spec),
            What::Video(spec) => self.video(seed, spec),
            What::Audio(spec) => self.audio(spec),
        };
        let task = self.task(&file);
        // The tasks of images are not shown.
        if file.kind != "image" {
            file.tasks.push(task.clone());
        }
        let refusal = self.refusal.or(doom(world));
        let cost = self.model.map_or(0.0, |model| model.price(self.order.duration));
        world.reports().push(self.report(&file, seed, cost, refusal));
        let visible_at = world.visible_at();
        world.add(Record {
            file: file.clone(),
            project_id: self.order.project_id,
            entity_id: self.order.entity_id,
            scene_id: self.order.scene_id,
            visible_at,
            job: Some(Job { task, cost, output }),
        });
        jobs::launch(world, file.id, refusal.is_some());
        file
    }

    /// The seed asked for, one more for each further copy; else one drawn as the provider draws them.
    fn seed(&self, copy: usize) -> i64 {
        match self.order.seed {
            Some(seed) => seed.wrapping_add_unsigned(copy as u64),
            None => fastrand::i64(10_000_000_000_000..100_000_000_000_000),
        }
    }

    fn image(&self, seed: i64, spec: &ImageSpec) -> (FileRead, Output) {
        let (order, id) = (&self.order, Uuid::new_v4());
        let mut file = FileRead::blank(Uuid::new_v4(), "image");
        file.image_generation_id = Some(id);
        file.image_generation = Some(ImageRead {
            prompt: order.prompt.clone(),
            negative_prompt: order.negative_prompt.clone(),
            width: spec.width,
            height: spec.height,
            steps: spec.steps,
            shot_size: spec.shot_size,
            seed,
            id,
            generation_config_name: order.model.clone(),
            style_name: order.style.clone(),
            references: self.references.clone(),
            entity_ids: spec.entity_ids.clone(),
        });
        // A size out of range is refused by the worker, and so never drawn.
        let side = |pixels: i64| u32::try_from(pixels).unwrap_or_default();
        let picture =
            Picture { width: side(spec.width), height: side(spec.height), look: picture::look(&order.prompt, seed) };
        (file, Output::Picture(picture))
    }

    fn video(&self, seed: i64, spec: &VideoSpec) -> (FileRead, Output) {
        let (order, id) = (&self.order, Uuid::new_v4());
        let mut file = FileRead::blank(Uuid::new_v4(), "video");
        file.video_generation_id = Some(id);
        file.video_generation = Some(VideoRead {
            prompt: order.prompt.clone(),
            negative_prompt: order.negative_prompt.clone(),
            seed,
            duration: order.duration,
            width: spec.width,
            height: spec.height,
            aspect_ratio: spec.aspect_ratio.clone(),
            id,
            generation_config_name: order.model.clone(),
            generation_config: self.model,
            references: self.references.clone(),
        });
        let (width, height) = THUMBNAIL;
        let look = picture::look(&order.prompt, seed);
        let thumbnail = Picture { width, height, look };
        let seconds = order.duration;
        (file, Output::Video { thumbnail, seconds })
    }

    fn audio(&self, spec: &AudioSpec) -> (FileRead, Output) {
        let (order, id) = (&self.order, Uuid::new_v4());
        let mut file = FileRead::blank(Uuid::new_v4(), spec.kind);
        file.audio_generation_id = Some(id);
        file.audio_generation = Some(AudioRead {
            kind: spec.kind,
            prompt: order.prompt.clone(),
            model: spec.model.clone(),
            duration: spec.duration,
            id,
            voice_name: spec.voice_name.clone(),
            generation_config_name: order.model.clone(),
        });
        let seconds = order.duration;
        (file, Output::Audio { seconds })
    }

    fn task(&self, file: &FileRead) -> TaskRead {
        TaskRead {
            kind: match self.order.what {
                What::Image(_) => "image-generation-flow",
                What::Video(_) => "video-generation-flow",
                What::Audio(_) => "audio-generation-flow",
            },
            status: "in_progress",
            id: Uuid::new_v4(),
            file_id: Some(file.id),
            project_id: self.order.project_id,
        }
    }

    fn report(&self, file: &FileRead, seed: i64, cost: f64, refusal: Option<&'static str>) -> JobReport {
        JobReport {
            id: file.id,
            kind: file.kind,
            status: JobStatus::Queued,
            model: self.order.model.clone(),
            prompt: self.order.prompt.clone(),
            seed,
            project_id: self.order.project_id,
            cost,
            refusal,
            created_at: stamp::rfc3339(),
        }
    }
}

/// Uses up one of the failures that were ordered.
fn doom(world: &World) -> Option<&'static str> {
    let mut live = world.live();
    let doomed = live.doomed > 0;
    live.doomed = live.doomed.saturating_sub(1);
    doomed.then_some(DOOMED)
}
