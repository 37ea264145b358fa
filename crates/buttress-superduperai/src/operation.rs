use std::fmt;

/// What a call to the provider is for.
///
/// Every request carries it as an extension, so that layers beneath can tell a paid call from a look, and an event
/// stream, which may hang without harm, from a call that ought to be quick.
///
/// # Examples
///
/// ```
/// use buttress_superduperai::Operation;
///
/// /// Event streams fail often and prove nothing about the provider's health.
/// fn counts_for_the_circuit_breaker<B>(request: &http::Request<B>) -> bool {
///     request.extensions().get() != Some(&Operation::Events)
/// }
/// # assert!(counts_for_the_circuit_breaker(&http::Request::new(())));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Starts a picture. Paid, and not idempotent.
    CreateImage,
    /// Starts a video. Paid, and not idempotent.
    CreateVideo,
    /// Looks how a job stands.
    Status,
    /// Looks for a job whose creation is in doubt.
    Lookup,
    /// Lists the models.
    Models,
    /// Hands over a file. Streams for as long as it takes.
    Upload,
    /// Listens to the events of a job. Its answer streams for as long as the job runs.
    Events,
}

impl Operation {
    /// The name, in snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateImage => "create_image",
            Self::CreateVideo => "create_video",
            Self::Status => "status",
            Self::Lookup => "lookup",
            Self::Models => "models",
            Self::Upload => "upload",
            Self::Events => "events",
        }
    }

    /// Whether the call costs credits each time that it takes effect.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::CreateImage | Self::CreateVideo)
    }

    /// Whether it may take minutes and have nothing wrong with it.
    #[must_use]
    pub const fn runs_long(&self) -> bool {
        matches!(self, Self::Events | Self::Upload)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
