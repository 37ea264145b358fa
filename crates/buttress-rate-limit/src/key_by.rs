use std::{any::Any, error::Error, fmt};

use crate::{ClientAddr, Head, Key};

/// Finds the key of a request for one limit.
///
/// [`by`] makes one of a closure, [`by_extension`] of whoever was authenticated, and a [`ClientAddr`] is one; [`or`](Self::or)
/// puts two in order. Keys come from whoever was authenticated, or from the address
/// of the connection: never take one from a header that the caller wrote (RLM-12).
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::{ClientAddr, Head, Key, KeyBy, by_extension};
///
/// #[derive(Clone)]
/// struct Account(String);
///
/// // The account if somebody was authenticated, else the address.
/// let key = by_extension(|account: &Account| Key::text(&account.0)).or(ClientAddr::peer());
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Account("alice".into()));
/// assert_eq!(key.key(&Head::of(&request))?, Some(Key::text("alice")));
/// # Ok::<(), buttress_rate_limit::NoKey>(())
/// ```
pub trait KeyBy: Send + Sync + 'static {
    /// The key, or `None` if the limit is not about this request.
    ///
    /// # Errors
    ///
    /// When there ought to be a key and none can be had: the request is then refused.
    fn key<'a>(&self, head: &Head<'a>) -> Result<Option<Key<'a>>, NoKey>;

    /// This key, else that one.
    fn or<K: KeyBy>(self, other: K) -> Or<Self, K>
    where
        Self: Sized,
    {
        Or { first: self, second: other }
    }
}

/// A [`KeyBy`] as limits keep it.
pub(crate) trait FindKey: Send + Sync {
    /// Writes the key to where it is to be, and says whether there is one. To move it would be to wait for what was
    /// written just now.
    fn find<'a>(&self, head: &Head<'a>, place: &mut Key<'a>) -> Result<bool, NoKey>;
}

impl<K: KeyBy> FindKey for K {
    fn find<'a>(&self, head: &Head<'a>, place: &mut Key<'a>) -> Result<bool, NoKey> {
        let Some(key) = self.key(head)? else { return Ok(false) };
        *place = key;
        Ok(true)
    }
}

/// By whatever a closure finds in the request; `None` means that the limit is not about it.
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::{Key, Limit, by};
///
/// let per_path = Limit::new("path", "100/s".parse()?, by(|head| Some(Key::text(head.path()))));
/// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
/// ```
pub fn by<F>(key: F) -> By<F>
where
    F: for<'a> Fn(&Head<'a>) -> Option<Key<'a>> + Send + Sync + 'static,
{
    By(key)
}

/// A closure that finds keys: what [`by`] makes.
#[derive(Clone, Copy)]
pub struct By<F>(F);

impl<F> KeyBy for By<F>
where
    F: for<'a> Fn(&Head<'a>) -> Option<Key<'a>> + Send + Sync + 'static,
{
    #[inline]
    fn key<'a>(&self, head: &Head<'a>) -> Result<Option<Key<'a>>, NoKey> {
        Ok(self.0(head))
    }
}

impl KeyBy for ClientAddr {
    #[inline]
    fn key<'a>(&self, head: &Head<'a>) -> Result<Option<Key<'a>>, NoKey> {
        ClientAddr::key(self, head).map(Some)
    }
}

/// By an extension that a layer further out put into the request; no extension, no limit.
pub fn by_extension<T: Any + Send + Sync>(
    key: impl for<'a> Fn(&'a T) -> Key<'a> + Send + Sync + 'static,
) -> impl KeyBy {
    by(move |head| head.extensions().get::<T>().map(&key))
}

/// One bucket for all requests.
#[must_use]
pub fn by_nothing() -> impl KeyBy {
    by(|_| Some(Key::EVERYBODY))
}

impl<F> fmt::Debug for By<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("By")
    }
}

/// The first key of two that there is: what [`KeyBy::or`] makes.
#[derive(Clone, Copy, Debug)]
pub struct Or<A, B> {
    first: A,
    second: B,
}

impl<A: KeyBy, B: KeyBy> KeyBy for Or<A, B> {
    fn key<'a>(&self, head: &Head<'a>) -> Result<Option<Key<'a>>, NoKey> {
        match self.first.key(head)? {
            None => self.second.key(head),
            found => Ok(found),
        }
    }
}

/// A request whose key cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoKey {
    /// The server put no [`PeerAddr`](buttress_core::PeerAddr) into the request: it is set up wrongly (IPA-9).
    NoPeer,
    /// There are fewer addresses in the header than proxies that were said to write one (IPA-8).
    TooFewHops,
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPeer => {
                "the request has no PeerAddr extension: the server must put the address of the connection there"
            }
            Self::TooFewHops => "the request came past fewer proxies than it should have",
        })
    }
}

impl Error for NoKey {}
