use buttress_idempotency::{InvalidKey, Key, KeyForm};
use http::{HeaderMap, HeaderValue, Request};
use proptest::prelude::*;

use crate::{
    checks,
    common::{Handler, User, layer, over, post, send},
};

fn parse(text: &str, form: KeyForm) -> Result<String, InvalidKey> {
    Key::parse(text.as_bytes(), form).map(|key| String::from_utf8(key.as_bytes().to_vec()).unwrap())
}

// IDM-1, D25
#[tokio::test]
async fn a_raw_key_and_a_quoted_one_are_one_key() {
    let handler = Handler::numbered();
    let service = over(&layer(), &handler);
    assert_eq!(send(&service, post("abc", "x")).await.body, "run 1");
    let again = send(&service, post("\"abc\"", "x")).await;
    assert_eq!((again.body.as_str(), again.is_replay(), handler.runs()), ("run 1", true, 1));
}

// D26
#[tokio::test]
async fn colons_and_slashes_are_part_of_a_key() {
    let handler = Handler::numbered();
    let service = over(&layer(), &handler);
    for (run, key) in ["order:123", "a/b", "\"order:123 x\""].iter().enumerate() {
        assert_eq!(send(&service, post(key, "x")).await.body, format!("run {}", run + 1), "{key}");
    }
}

// IDM-1
#[test]
fn a_strict_key_is_in_quotes() {
    assert_eq!(parse("abc", KeyForm::Strict), Err(InvalidKey::NotQuoted));
    assert_eq!(parse(r#""a\"b\\c""#, KeyForm::Strict).as_deref(), Ok(r#"a"b\c"#));
    assert_eq!(parse("  \"abc\" ", KeyForm::Strict).as_deref(), Ok("abc"));
}

/// The strings of the test suite of the HTTP working group for structured fields (string.json), as facts: what is no
/// string, and what is which one.
const VECTORS: [(&str, Option<&str>); 16] = [
    (r#""foo bar""#, Some("foo bar")),
    (r#""""#, None),
    (r#""foo"#, None),
    (r#"""#, None),
    (r#""foo \"bar\" \\ baz""#, Some(r#"foo "bar" \ baz"#)),
    ("\"\u{fc}\"", None),
    (r#""foo \,""#, None),
    (r#""foo \""#, None),
    (r#""foo \bar""#, None),
    ("\"foo \t bar\"", None),
    ("\"foo \n bar\"", None),
    ("\"foo \0 bar\"", None),
    (r#"" foo ""#, Some(" foo ")),
    (r#""foo" bar"#, None),
    ("'foo'", None),
    (r#"   "foo"  "#, Some("foo")),
];

// IDM-1: the empty string is a string, but no key.
#[test]
fn strings_are_read_as_the_working_group_has_them() {
    for (text, expected) in VECTORS {
        assert_eq!(parse(text, KeyForm::Strict).ok().as_deref(), expected, "{text:?}");
    }
}

// IDM-1
#[test]
fn every_character_alone_is_read_as_the_working_group_has_it() {
    for byte in 0_u8..=255 {
        let text = [b'"', byte, b'"'];
        let allowed = matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\');
        assert_eq!(Key::parse(&text, KeyForm::Strict).is_ok(), allowed, "{byte:#x}");
        let escaped = [b'"', b'\\', byte, b'"'];
        assert_eq!(Key::parse(&escaped, KeyForm::Strict).is_ok(), matches!(byte, b'"' | b'\\'), "{byte:#x}");
    }
}

proptest! {
    // IDM-1
    #[test]
    fn strings_are_read_as_another_parser_reads_them(text in r#"[ "\\a-c;=,\t\x7f]{0,8}|"[ -~]{0,12}""#) {
        let theirs = sfv::Parser::new(text.as_bytes()).parse::<sfv::Item>().ok();
        // Parameters and empty strings are none of the draft's.
        let theirs = theirs.filter(|item| item.params.is_empty()).and_then(|item| match item.bare_item {
            sfv::BareItem::String(string) => Some(string.as_str().to_owned()),
            _ => None,
        });
        // Tabs around a field value are not its own; that parser takes spaces alone for such.
        prop_assume!(!text.starts_with('\t') && !text.ends_with('\t'));
        prop_assert_eq!(parse(&text, KeyForm::Strict).ok(), theirs.filter(|key| !key.is_empty()));
    }

    #[test]
    fn any_bytes_are_a_key_or_an_error(input: Vec<u8>) {
        checks::key(&input);
    }

    #[test]
    fn almost_keys_are_keys_or_errors(input in r#"[ "\\a,;é]{0,10}"#) {
        checks::key(input.as_bytes());
    }

    // IDM-1, IDM-2
    #[test]
    fn visible_characters_are_a_raw_key(key in "[!#-+\\--~]{1,255}") {
        prop_assert_eq!(parse(&key, KeyForm::Lenient), Ok(key));
    }
}

// IDM-2
#[tokio::test]
async fn a_key_that_cannot_be_read_is_400_before_anything_is_touched() {
    let handler = Handler::numbered();
    let layer = layer();
    let service = over(&layer, &handler);
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"abc", "a b", "\"a\", \"b\"", "a,b", "\"a\";b", &long, "k\u{e9}"] {
        let seen = send(&service, post(key, "x")).await;
        assert_eq!((seen.status, seen.code().as_str()), (400, "idempotency_key_invalid"), "{key}");
    }
    assert_eq!(handler.runs(), 0);
    assert!(layer.store().is_empty());
    assert_eq!(send(&service, post(&long[1..], "x")).await.status, 200);
}

// IDM-1: one field line
#[tokio::test]
async fn two_keys_are_400_also_if_they_are_the_same() {
    let handler = Handler::numbered();
    let service = over(&layer(), &handler);
    for names in [["idempotency-key"; 2], ["idempotency-key", "x-idempotency-key"]] {
        let mut request = post("a", "x");
        request.headers_mut().clear();
        for name in names {
            request.headers_mut().append(name, HeaderValue::from_static("a"));
        }
        assert_eq!(send(&service, request).await.code(), "idempotency_key_invalid", "{names:?}");
    }
    assert_eq!(handler.runs(), 0);
}

#[tokio::test]
async fn the_older_name_of_the_header_is_read_too() {
    let handler = Handler::numbered();
    let service = over(&layer(), &handler);
    send(&service, post("a", "x")).await;
    let mut request = post("a", "x");
    *request.headers_mut() = HeaderMap::from_iter([(Key::OLD_HEADER, HeaderValue::from_static("a"))]);
    assert!(send(&service, request).await.is_replay());
}

// IDM-3
#[tokio::test]
async fn a_key_that_is_required_and_missing_is_400_with_a_link_to_the_documentation() {
    let handler = Handler::numbered();
    let docs = HeaderValue::from_static("https://docs.example/idempotency");
    let layer = layer().documentation(docs).require_key_where(|parts| parts.uri.path() == "/jobs");
    let service = over(&layer, &handler);
    let ask = |method: &str, path: &str| Request::builder().method(method).uri(path).body("x".into()).unwrap();
    let seen = send(&service, ask("POST", "/jobs")).await;
    assert_eq!((seen.status, seen.code().as_str()), (400, "idempotency_key_missing"));
    assert_eq!(seen.header("link"), Some("<https://docs.example/idempotency>; rel=\"help\""));
    assert_eq!(seen.json()["details"]["documentation"], "https://docs.example/idempotency");
    assert_eq!(seen.header("content-type"), Some("application/problem+json"));
    assert_eq!(handler.runs(), 0);
    assert_eq!(send(&service, ask("POST", "/else")).await.status, 200);
    assert_eq!(send(&service, ask("GET", "/jobs")).await.status, 200);
    let everywhere = over(&layer.require_key(), &handler);
    assert_eq!(send(&everywhere, ask("PATCH", "/else")).await.status, 400);
}

// IDM-21
#[tokio::test]
async fn methods_that_are_idempotent_by_themselves_ignore_keys() {
    let handler = Handler::numbered();
    let layer = layer();
    let service = over(&layer, &handler);
    for (run, method) in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "QUERY"].iter().enumerate() {
        for key in ["a", "\"broken"] {
            let mut request = post(key, "x");
            *request.method_mut() = method.parse().unwrap();
            assert!(!send(&service, request).await.is_replay(), "{method}");
        }
        assert_eq!(handler.runs(), 2 * (run + 1), "{method}");
    }
    assert!(layer.store().is_empty());
    let mut patch = post("a", "x");
    *patch.method_mut() = http::Method::PATCH;
    send(&service, patch.clone()).await;
    assert!(send(&service, patch).await.is_replay());
}

// IDM-8, D24
#[tokio::test]
async fn another_caller_with_the_same_key_and_body_sees_nothing_of_the_first_not_even_409() {
    let handler = Handler::slow(std::time::Duration::from_millis(50));
    let service = over(&layer(), &handler);
    let of = |user: &'static str| {
        let mut request = post("same", "same");
        request.extensions_mut().insert(User(user));
        request
    };
    let (first, other) = tokio::join!(send(&service, of("ada")), send(&service, of("bob")));
    assert_eq!((first.status, other.status, handler.runs()), (200, 200, 2));
    assert_ne!(first.body, other.body);
    assert_eq!(send(&service, of("bob")).await.body, other.body);
}

// IDM-8
#[tokio::test]
async fn scope_and_key_are_joined_without_ambiguity() {
    use buttress_idempotency::{IdempotencyLayer, MemoryStore, Scope, Secret};

    #[derive(Clone)]
    struct Whose(String, String);

    let long = "x".repeat(300);
    let layer = IdempotencyLayer::new(MemoryStore::default(), Secret::random()).scope(|parts| {
        let Whose(caller, operation) = parts.extensions.get().unwrap();
        Ok(Scope::new(caller, operation))
    });
    let handler = Handler::numbered();
    let service = over(&layer, &handler);
    let triples = [
        ("ab", "c", "d"),
        ("a", "bc", "d"),
        ("a", "b", "cd"),
        ("", "abc", "d"),
        ("abc", "", "d"),
        (&long, "c", "d"),
        ("c", &long, "d"),
    ];
    for (run, (caller, operation, key)) in triples.into_iter().enumerate() {
        let mut request = post(key, "x");
        request.extensions_mut().insert(Whose(caller.into(), operation.into()));
        assert!(!send(&service, request.clone()).await.is_replay(), "{caller} {operation} {key}");
        assert!(send(&service, request).await.is_replay());
        assert_eq!(handler.runs(), run + 1);
    }
}

// IDM-8
#[tokio::test]
async fn who_cannot_be_told_from_others_is_refused_and_runs_nothing() {
    use buttress_core::{Problem, ProblemCode};
    use buttress_idempotency::{IdempotencyLayer, MemoryStore, Scope, Secret};

    const UNAUTHORIZED: ProblemCode = ProblemCode::new("unauthorized");
    let layer = IdempotencyLayer::new(MemoryStore::default(), Secret::random()).scope(|parts| {
        let refused = || Problem::new(http::StatusCode::UNAUTHORIZED, UNAUTHORIZED, "who is it?");
        parts.extensions.get::<User>().map(|user| Scope::new(user.0, "jobs")).ok_or_else(refused)
    });
    let handler = Handler::numbered();
    let service = over(&layer, &handler);
    assert_eq!(send(&service, post("a", "x")).await.status, 401);
    let keyless = Request::post("/jobs").body("x".into()).unwrap();
    assert_eq!((send(&service, keyless).await.status, handler.runs()), (200, 1));
}

// IDM-8: there is no layer without a scope.
#[test]
fn a_layer_without_a_scope_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
