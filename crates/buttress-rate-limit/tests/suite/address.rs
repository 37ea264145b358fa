use std::num::NonZeroU8;

use buttress_rate_limit::{ClientAddr, Head, Limit, ListHeader, Network, NoKey, RateLimitLayer};
use http::{HeaderName, Request};

use super::common::{ask, by_address, from, header, json, passed, quota, status, with};

fn networks(list: &[&str]) -> Vec<Network> {
    list.iter().map(|network| network.parse().unwrap()).collect()
}

fn behind(header: ListHeader) -> ClientAddr {
    ClientAddr::behind(header, networks(&["10.0.0.0/8", "fd00::/8"]))
}

fn found(addr: &ClientAddr, request: &Request<()>) -> String {
    addr.find(&Head::of(request)).unwrap().to_string()
}

/// The client of a request with these lines of a header.
fn seen(addr: &ClientAddr, peer: &str, name: &'static str, lines: &[&str]) -> String {
    found(addr, &lines.iter().fold(from(peer), |request, line| with(request, name, line)))
}

fn limited(addr: ClientAddr) -> RateLimitLayer {
    RateLimitLayer::new([Limit::new("address", quota("1/h"), addr)]).unwrap()
}

const XFF: &str = "x-forwarded-for";

// IPA-1, D10: tower_governor 0.8.0 lets 10 000 of 10 000 pass with a forged header.
#[tokio::test(start_paused = true)]
async fn nobody_is_trusted_by_default() {
    let layer = by_address("1/h");
    let forged = (0..10_000_u32).map(|i| {
        let addr = format!("203.0.{}.{}", i / 256, i % 256);
        let request = with(from("192.0.2.1"), XFF, &addr);
        with(with(request, "forwarded", &format!("for={addr}")), "x-real-ip", &addr)
    });
    assert_eq!(passed(&layer, forged).await, 1);
}

// IPA-1
#[test]
fn a_peer_outside_of_the_networks_is_the_client_whatever_it_says() {
    let addr = behind(ListHeader::XForwardedFor);
    assert_eq!(seen(&addr, "192.0.2.1", XFF, &["203.0.113.9"]), "192.0.2.1");
    let nobody = ClientAddr::behind(ListHeader::XForwardedFor, []);
    assert_eq!(seen(&nobody, "127.0.0.1", XFF, &["203.0.113.9"]), "127.0.0.1");
}

// IPA-2, D16: tower-rate-limiter 0.2.0-alpha.0 lets 1 000 of 1 000 pass, since it looks at `Forwarded` first.
#[tokio::test(start_paused = true)]
async fn no_other_header_is_ever_read() {
    let layer = limited(behind(ListHeader::XForwardedFor));
    let forged = (0..1_000_u32).map(|i| {
        let request = with(from("10.0.0.1"), "forwarded", &format!("for=203.0.{}.{}", i / 256, i % 256));
        with(request, XFF, "203.0.113.9")
    });
    assert_eq!(passed(&layer, forged).await, 1);
    let addr = behind(ListHeader::Forwarded);
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &["203.0.113.9"]), "10.0.0.1", "nor is it a substitute");
}

// IPA-3
#[test]
fn the_walk_goes_from_the_right_over_trusted_networks() {
    let addr = behind(ListHeader::XForwardedFor);
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &["6.6.6.6, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &["6.6.6.6", "203.0.113.9", "10.0.0.2, 10.0.0.3"]), "203.0.113.9");
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "all are trusted");
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &[]), "10.0.0.1", "a call from inside");
    let addr = behind(ListHeader::Forwarded);
    let lines = [r#"for=6.6.6.6, for="[2001:db8::9]:443";proto=https"#, "for=10.0.0.2;by=10.0.0.1"];
    assert_eq!(seen(&addr, "fd00::1", "forwarded", &lines), "2001:db8::9");
}

// IPA-3
#[test]
fn a_long_list_is_walked_only_so_far() {
    let addr = behind(ListHeader::XForwardedFor);
    let list = format!("6.6.6.6{}", ", 10.0.0.2".repeat(10_000));
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &[&list]), "10.0.0.2");
}

// IPA-4, D17: tower-rate-limiter 0.2.0-alpha.0 answers 500.
#[tokio::test(start_paused = true)]
async fn what_is_no_address_ends_the_walk() {
    let addr = behind(ListHeader::XForwardedFor);
    for bad in ["garbage", "unknown", "_hidden", "", "\u{fe}", "203.0.113.9 6.6.6.6", "0x7f.1", &"1".repeat(60_000)] {
        let request = with(from("10.0.0.1"), XFF, "6.6.6.6");
        let line = http::HeaderValue::from_bytes(format!("7.7.7.7, {bad}").as_bytes()).unwrap();
        let mut request = request;
        request.headers_mut().append(XFF, line);
        assert_eq!(found(&addr, &request), "10.0.0.1", "{bad}");
    }
    assert_eq!(status(&limited(addr), with(from("10.0.0.1"), XFF, "garbage")).await, 200);
}

// IPA-5
#[test]
fn a_forged_element_of_forwarded_is_never_the_client() {
    let addr = behind(ListHeader::Forwarded);
    for forged in [r#"for=6.6.6.6;x=""#, r#"for="6.6.6.6"#, r#"""#, "for=6.6.6.6;for=10.0.0.2", r#"for="6.6.6.6\""#] {
        assert_eq!(seen(&addr, "10.0.0.1", "forwarded", &[&format!("{forged}, for=203.0.113.9")]), "203.0.113.9");
        assert_eq!(seen(&addr, "10.0.0.1", "forwarded", &[&format!("{forged}, for=10.0.0.2")]), "10.0.0.2", "{forged}");
    }
}

// IPA-6
#[test]
fn addresses_are_normalised_before_they_are_compared() {
    let addr = behind(ListHeader::XForwardedFor);
    assert_eq!(seen(&addr, "::ffff:10.0.0.1", XFF, &["203.0.113.9, [::ffff:10.0.0.2]:80, 10.0.0.3:1"]), "203.0.113.9");
    assert_eq!(seen(&addr, "10.0.0.1", XFF, &["::ffff:203.0.113.9"]), "203.0.113.9");
    assert_eq!(seen(&ClientAddr::peer(), "::ffff:203.0.113.9", XFF, &[]), "203.0.113.9");
}

// IPA-7, D11: tower_governor 0.8.0 lets all of 1 000 pass.
#[tokio::test(start_paused = true)]
async fn one_network_of_ipv6_is_one_client() {
    let layer = by_address("1/h");
    assert_eq!(passed(&layer, (0..1_000).map(|i| from(&format!("2001:db8::{i:x}")))).await, 1);
    assert_eq!(passed(&layer, (1..100).map(|i| from(&format!("2001:db8:0:{i:x}::1")))).await, 99);
    assert_eq!(passed(&layer, (0..100).map(|i| from(&format!("192.0.2.{i}")))).await, 100);
    let layer = limited(ClientAddr::peer().ipv6_prefix(48).unwrap());
    assert_eq!(passed(&layer, (0..100).map(|i| from(&format!("2001:db8:0:{i:x}::1")))).await, 1);
    assert!(ClientAddr::peer().ipv6_prefix(129).is_err());
}

// IPA-8
#[tokio::test(start_paused = true)]
async fn hops_are_counted_from_the_right_and_never_guessed() {
    let hops = |n| ClientAddr::hops(ListHeader::XForwardedFor, NonZeroU8::new(n).unwrap());
    assert_eq!(seen(&hops(1), "198.51.100.1", XFF, &["6.6.6.6, 203.0.113.9"]), "203.0.113.9");
    assert_eq!(seen(&hops(2), "198.51.100.1", XFF, &["6.6.6.6, 203.0.113.9", "198.51.100.2"]), "203.0.113.9");
    for lines in [&[][..], &["203.0.113.9"], &["garbage, 203.0.113.9"], &["6.6.6.6, 203.0.113.9, garbage"]] {
        let request = lines.iter().fold(from("198.51.100.1"), |request, line| with(request, XFF, line));
        assert_eq!(hops(2).find(&Head::of(&request)), Err(NoKey::TooFewHops), "{lines:?}");
    }
    let answer = ask(&limited(hops(1)), from("198.51.100.1")).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (400, ""));
    assert_eq!(json(answer).await["code"], "bad_request");
}

// IPA-9
#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_say_who_connected_is_told_so() {
    for addr in [ClientAddr::peer(), behind(ListHeader::Forwarded)] {
        assert_eq!(addr.find(&Head::of(&Request::new(()))), Err(NoKey::NoPeer));
        let answer = ask(&limited(addr), with(Request::new(()), "forwarded", "for=203.0.113.9")).await;
        assert_eq!(answer.status(), 500);
        let problem = json(answer).await;
        assert!(problem["code"] == "internal" && !problem.to_string().contains("Peer"), "{problem}");
    }
}

#[test]
fn a_header_with_one_address_is_believed_from_trusted_networks_alone() {
    let name = HeaderName::from_static("cf-connecting-ip");
    let addr = ClientAddr::single(name, networks(&["10.0.0.0/8"]));
    assert_eq!(seen(&addr, "10.0.0.1", "cf-connecting-ip", &["::ffff:203.0.113.9"]), "203.0.113.9");
    assert_eq!(seen(&addr, "192.0.2.1", "cf-connecting-ip", &["203.0.113.9"]), "192.0.2.1");
    for lines in [&[][..], &["6.6.6.6", "203.0.113.9"], &["6.6.6.6, 203.0.113.9"], &["garbage"]] {
        assert_eq!(seen(&addr, "10.0.0.1", "cf-connecting-ip", lines), "10.0.0.1", "{lines:?}");
    }
}
