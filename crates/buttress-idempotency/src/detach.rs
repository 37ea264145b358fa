//! What goes on when whoever asked for it leaves.

use std::pin::Pin;

use tokio::{runtime::Handle, time::timeout};

use crate::{EventKind, Leaving, RecordKey, settings::Settings, telemetry::Place};

/// Work that is handed to `leave` when it is dropped.
#[derive(Debug)]
pub(crate) struct Detachable<T> {
    work: Option<Pin<Box<T>>>,
    leave: fn(Pin<Box<T>>),
}

impl<T> Detachable<T> {
    pub(crate) fn new(work: Pin<Box<T>>, leave: fn(Pin<Box<T>>)) -> Self {
        Self { work: Some(work), leave }
    }

    pub(crate) fn get(&mut self) -> Pin<&mut T> {
        self.peek_mut().as_mut()
    }

    pub(crate) fn peek(&self) -> &T {
        self.work.as_ref().expect("it is there until it is dropped")
    }

    /// The work, which is then nobody's but the caller's.
    pub(crate) fn take(mut self) -> Pin<Box<T>> {
        self.work.take().expect("it is there until it is dropped")
    }

    fn peek_mut(&mut self) -> &mut Pin<Box<T>> {
        self.work.as_mut().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Detachable<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            (self.leave)(work);
        }
    }
}

/// Tells the store something elsewhere. Outside of a runtime it is dropped: `false`.
pub(crate) fn tell(settings: &Settings, word: impl Future<Output = ()> + Send + 'static) -> bool {
    let Ok(runtime) = Handle::try_current() else { return false };
    let sent = settings.detached.send();
    runtime.spawn(async move {
        word.await;
        drop(sent);
    });
    true
}

/// Work that can be dropped before its end, if it is told so.
pub(crate) trait GiveUp {
    /// It will not be polled any more.
    fn give_up(self: Pin<&mut Self>);
}

/// Work that nobody else will take up.
pub(crate) struct Last<T: GiveUp>(Pin<Box<T>>);

impl<T: GiveUp> Last<T> {
    pub(crate) fn new(work: Pin<Box<T>>) -> Self {
        Self(work)
    }

    pub(crate) fn get(&mut self) -> Pin<&mut T> {
        self.0.as_mut()
    }
}

impl<T: GiveUp> Drop for Last<T> {
    fn drop(&mut self) {
        self.0.as_mut().give_up();
    }
}

/// Goes on with work in a task, as far as the settings let it; what is left then is given up.
pub(crate) fn go_on<T, F>(
    settings: &Settings,
    key: RecordKey,
    place: Option<Place>,
    work: Pin<Box<T>>,
    finish: impl FnOnce(Last<T>) -> F,
) where
    T: GiveUp,
    F: Future<Output = ()> + Send + 'static,
{
    let last = Last::new(work);
    let Leaving::Finish(within) = settings.leaving else { return };
    let Some(entered) = settings.detached.enter(settings.most_detached.get()) else { return };
    let Ok(runtime) = Handle::try_current() else { return };
    settings.tell(Some(key), EventKind::WentOn);
    let finish = finish(last);
    let task = async move {
        let _ = timeout(within, finish).await;
        drop(entered);
    };
    match place {
        Some(place) => runtime.spawn(place.around(task)),
        None => runtime.spawn(task),
    };
}
