use std::sync::Arc;

use buttress_config::{ExposeSecret, SecretString};
use buttress_core::Problem;
use cookie::{Cookie, CookieJar, Key, SameSite, time::Duration};
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::codes;

/// Whom jobs, files and limits belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User(Arc<str>);

impl User {
    /// `key:` and the name of an API key, or `guest:` and an id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    /// The cookie to send, when the user is a guest who just came.
    pub(crate) cookie: Option<HeaderValue>,
}

/// Who sent a request, or why nobody may have: found out once, and kept with the request.
///
/// A guest who just came is somebody new each time he is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Known(pub(crate) Result<Caller, Problem>);

impl Known {
    /// The user, unless it is a guest who just came: whoever sends nothing could be a new one each time.
    pub(crate) fn user(&self) -> Option<&User> {
        self.0.as_ref().ok().filter(|caller| caller.cookie.is_none()).map(|caller| &caller.user)
    }
}

/// Knows users by API key or by signed cookie.
#[derive(Debug)]
pub(crate) struct Users {
    keys: Vec<(Arc<str>, SecretString)>,
    /// Signs the cookies of guests; without it there are none.
    guests: Option<Key>,
}

const GUEST: &str = "guest";

impl Users {
    pub(crate) fn new(keys: &[(String, SecretString)], guests: bool, secret: Option<&SecretString>) -> Self {
        let keys = keys.iter().map(|(name, key)| (format!("key:{name}").into(), key.clone())).collect();
        let signing = || secret.map_or_else(Key::generate, signing_key);
        Self { keys, guests: guests.then(signing) }
    }

    /// The user of a request. Who sends nothing is a guest who just came, with a cookie to keep.
    ///
    /// # Errors
    ///
    /// 401 for a key that nobody has, and for a request without a key where there are no guests.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if let Some(credentials) = headers.get(AUTHORIZATION) {
            let user = bearer(credentials).and_then(|key| self.by_key(key));
            let user = user.ok_or_else(|| codes::unauthorized("this API key is not known"))?;
            return Ok(Caller { user, cookie: None });
        }
        let signing = self.guests.as_ref();
        let signing = signing.ok_or_else(|| codes::unauthorized("an API key is needed: Authorization: Bearer KEY"))?;
        match by_cookie(headers, signing) {
            Some(user) => Ok(Caller { user, cookie: None }),
            None => Ok(new_guest(signing)),
        }
    }

    /// Looks at every key, whichever fits: time tells no more than how long the keys are.
    fn by_key(&self, given: &[u8]) -> Option<User> {
        let same = |key: &SecretString| bool::from(key.expose_secret().as_bytes().ct_eq(given));
        let mut found = None;
        for (name, key) in &self.keys {
            if same(key) {
                found = Some(User(Arc::clone(name)));
            }
        }
        found
    }
}

/// Any secret makes a key: its length is the operator's business, and told at start when it is short.
fn signing_key(secret: &SecretString) -> Key {
    let mut secret = secret.expose_secret().as_bytes().to_vec();
    secret.resize(secret.len().max(32), 0);
    Key::derive_from(&secret)
}

fn bearer(credentials: &HeaderValue) -> Option<&[u8]> {
    let (scheme, key) = credentials.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

fn by_cookie(headers: &HeaderMap, signing: &Key) -> Option<User> {
    let mut jar = CookieJar::new();
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    for cookie in lines.flat_map(Cookie::split_parse).flatten().filter(|cookie| cookie.name() == GUEST) {
        jar.add_original(cookie.into_owned());
        if let Some(good) = jar.signed(signing).get(GUEST) {
            return Some(guest(good.value()));
        }
    }
    None
}

fn guest(id: &str) -> User {
    User(format!("guest:{id}").into())
}

fn new_guest(signing: &Key) -> Caller {
    let id = Uuid::new_v4().simple().to_string();
    let user = guest(&id);
    let cookie = Cookie::build((GUEST, id)).http_only(true).same_site(SameSite::Strict).path("/");
    let mut jar = CookieJar::new();
    jar.signed_mut(signing).add(cookie.max_age(Duration::days(30)));
    let signed = jar.get(GUEST).expect("it was just put in").to_string();
    Caller { user, cookie: Some(HeaderValue::try_from(signed).expect("a cookie is a header value")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let keys = [("alice".to_owned(), "alice-key".into()), ("bob".to_owned(), "bob-key".into())];
        Users::new(&keys, true, Some(&"a secret".into()))
    }

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_key_names_its_user_and_a_wrong_one_is_refused() {
        let users = users();
        let user = |value: &str| users.identify(&headers(AUTHORIZATION, value)).map(|caller| caller.user.0);
        assert_eq!(user("Bearer bob-key").as_deref(), Ok("key:bob"));
        assert_eq!(user("bearer alice-key").as_deref(), Ok("key:alice"));
        for bad in ["Bearer", "Bearer ", "Bearer carol-key", "Basic bob-key", "bob-key", "Bearer bob-key2"] {
            assert_eq!(user(bad).unwrap_err().status(), 401, "{bad}");
        }
    }

    #[test]
    fn a_guest_is_known_again_by_the_cookie() {
        let users = users();
        let first = users.identify(&HeaderMap::new()).unwrap();
        let cookie = first.cookie.unwrap().to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        let again = users.identify(&headers(COOKIE, &format!("a=b; {pair}"))).unwrap();
        assert_eq!((again.user, again.cookie), (first.user, None));
    }

    #[test]
    fn a_forged_cookie_is_a_new_guest() {
        let users = users();
        let others = Users::new(&[], true, Some(&"another secret".into()));
        let foreign = others.identify(&HeaderMap::new()).unwrap();
        let pair = foreign.cookie.unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
        for forged in [pair.as_str(), "guest=1234", "guest=", "guest=%00"] {
            let caller = users.identify(&headers(COOKIE, forged)).unwrap();
            assert!(caller.cookie.is_some() && caller.user != foreign.user, "{forged}");
        }
    }

    #[test]
    fn replicas_with_the_same_secret_know_each_others_guests() {
        let guest = users().identify(&HeaderMap::new()).unwrap();
        let pair = guest.cookie.unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(users().identify(&headers(COOKIE, &pair)).unwrap().user, guest.user);
    }

    #[test]
    fn without_guests_a_key_is_needed() {
        let users = Users::new(&[], false, None);
        assert_eq!(users.identify(&HeaderMap::new()).unwrap_err().status(), 401);
    }
}
