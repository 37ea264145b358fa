use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{
    Head, MemoryStore, RateStore, ResponseBody, ResponseFuture,
    core::Core,
    judge::{Judge, Verdict},
    settings::Settings,
};

/// The service of a [`RateLimitLayer`](crate::RateLimitLayer).
///
/// It is ready when the inner service is, and decides when it is called. With a store elsewhere the inner service is
/// called once the store has decided, on the instance that was ready: what that has reserved is held meanwhile, at most
/// for the time that limits give their store.
///
/// # Cancel safety
///
/// Units that were taken stay taken when the future is dropped. The place of a concurrency limit is given back then, or
/// when the body is dropped.
pub struct RateLimit<S, St: RateStore = MemoryStore> {
    inner: S,
    core: Arc<Core<St>>,
    settings: Arc<Settings>,
}

impl<S, St: RateStore> RateLimit<S, St> {
    pub(crate) fn new(inner: S, core: Arc<Core<St>>, settings: Arc<Settings>) -> Self {
        Self { inner, core, settings }
    }
}

impl<S, St, ReqB, ResB> Service<Request<ReqB>> for RateLimit<S, St>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    St: RateStore,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB, St>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let judge = Judge { core: &self.core, settings: &self.settings };
        match judge.judge(&Head::of(&request)) {
            Verdict::Plain => ResponseFuture::called(self.inner.call(request), None),
            Verdict::Pass(pass) => {
                pass.open_tab(&mut request, self.settings.tab);
                ResponseFuture::called(self.inner.call(request), Some(pass))
            }
            Verdict::Refuse(refusal) => {
                ResponseFuture::refused(judge.refuse(&refusal.why, &mut request), refusal.written)
            }
            Verdict::Wait(pending) => {
                let fresh = self.inner.clone();
                let readied = mem::replace(&mut self.inner, fresh);
                let (core, settings) = (Arc::clone(&self.core), Arc::clone(&self.settings));
                ResponseFuture::waiting(readied, request, pending, core, settings)
            }
        }
    }
}

impl<S: Clone, St: RateStore> Clone for RateLimit<S, St> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), core: Arc::clone(&self.core), settings: Arc::clone(&self.settings) }
    }
}

impl<S: fmt::Debug, St: RateStore> fmt::Debug for RateLimit<S, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("inner", &self.inner).field("limits", &self.core).finish_non_exhaustive()
    }
}
