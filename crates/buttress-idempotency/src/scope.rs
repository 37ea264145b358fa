//! Whose key it is, and for what.

use http::request::Parts;

use buttress_core::Problem;

/// Within what a key is one: a caller, and an operation (IDM-8).
///
/// The same key of another caller, or for another operation, is another key: nobody sees what others recorded.
///
/// # Examples
///
/// ```
/// use buttress_idempotency::Scope;
///
/// let scope = Scope::new("user:7", "create_image");
/// assert_eq!((scope.caller(), scope.operation()), ("user:7", "create_image"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    caller: &'a str,
    operation: &'a str,
}

impl<'a> Scope<'a> {
    /// A caller (a user, a tenant: who was authenticated, never what a request merely claims), and a name for what is
    /// asked for, such as the pattern of a route.
    #[must_use]
    pub const fn new(caller: &'a str, operation: &'a str) -> Self {
        Self { caller, operation }
    }

    /// Whose key it is.
    #[must_use]
    pub const fn caller(&self) -> &'a str {
        self.caller
    }

    /// What the key is for.
    #[must_use]
    pub const fn operation(&self) -> &'a str {
        self.operation
    }
}

/// Finds the scope of a request. [`Scoped`] and [`Unscoped`] do; [`Unset`] does not, so that a layer without a scope
/// does not compile.
#[diagnostic::on_unimplemented(
    message = "this idempotency layer does not know whose keys it sees",
    label = "say it with `.scope(…)`, or with `.unscoped()` if there is but one caller",
    note = "without a scope, one caller would get the answers of another"
)]
pub trait ScopeOf {
    /// The scope of a request.
    ///
    /// # Errors
    ///
    /// The problem to refuse the request with when nobody can be told from others, 401 for instance. The request is
    /// then neither recorded nor handed on.
    fn scope_of<'a>(&'a self, parts: &'a Parts) -> Result<Scope<'a>, Problem>;
}

/// Nothing was said of the scope yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unset(pub(crate) ());

/// There is one caller, and each key is one whatever it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unscoped(pub(crate) ());

/// The scope is found by a function.
#[derive(Clone, Copy, Debug)]
pub struct Scoped<F>(pub(crate) F);

impl<F> ScopeOf for Scoped<F>
where
    F: for<'a> Fn(&'a Parts) -> Result<Scope<'a>, Problem>,
{
    fn scope_of<'a>(&'a self, parts: &'a Parts) -> Result<Scope<'a>, Problem> {
        (self.0)(parts)
    }
}

impl ScopeOf for Unscoped {
    fn scope_of<'a>(&'a self, _: &'a Parts) -> Result<Scope<'a>, Problem> {
        Ok(Scope::new("", ""))
    }
}
