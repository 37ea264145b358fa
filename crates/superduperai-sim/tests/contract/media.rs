//! What the urls of files lead to.

use std::io::Cursor;

use bytes::Bytes;
use http::{Method, Request};
use image_webp::WebPDecoder;
use serde_json::{Value, json};

use crate::support::{Bench, Reply, bench, boat, quick, text};

async fn picture(bench: &Bench, config: Value) -> Value {
    let file = bench.image(config).await.json()[0].clone();
    bench.settled(&file["id"]).await
}

async fn fetch_with(bench: &Bench, url: &Value, name: &str, value: &str) -> Reply {
    let request = Request::get(text(url)).header(name, value);
    bench.try_send(request.body(Bytes::new()).unwrap()).await.unwrap()
}

fn size(webp: &Bytes) -> (u32, u32) {
    WebPDecoder::new(Cursor::new(webp)).unwrap().dimensions()
}

/// The path below the simulator's own address, without its name.
fn folder<'a>(bench: &Bench, url: &'a Value) -> Vec<&'a str> {
    let path = text(url).strip_prefix(bench.sim.url()).unwrap();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    assert_eq!(parts.len(), 7, "{path}");
    for part in &parts[2..6] {
        assert!(part.parse::<u16>().unwrap().to_string() == **part, "{path}");
    }
    assert_eq!(parts[6].split('.').next().unwrap().len(), 22, "{path}");
    parts[..2].to_vec()
}

#[tokio::test]
async fn a_picture_is_webp_of_the_size_asked_for_anybody() {
    let bench = bench(quick()).await;
    let mut config = boat();
    (config["width"], config["height"]) = (json!(345), json!(120));
    let file = picture(&bench, config).await;
    assert_eq!(folder(&bench, &file["url"]), ["generated", "image"]);
    assert_eq!(folder(&bench, &file["thumbnail_url"]), ["uploaded", "image"]);
    let full = bench.fetch(text(&file["url"])).await;
    assert_eq!(full.header("content-type"), "image/webp");
    assert_eq!(full.header("access-control-allow-origin"), "*");
    assert_eq!(full.header("content-length"), full.body.len().to_string());
    assert_eq!(size(&full.body), (345, 120));
    let thumbnail = bench.fetch(text(&file["thumbnail_url"])).await;
    assert_eq!(size(&thumbnail.body), (256, 89));
}

#[tokio::test]
async fn pictures_differ_by_prompt_and_seed_and_are_stable() {
    let bench = bench(quick()).await;
    let draw = async |prompt: &str, seed: u8| {
        let config = json!({
            "prompt": prompt, "seed": seed, "generation_config_name": "comfyui/flux",
            "width": 64, "height": 64,
        });
        let file = picture(&bench, config).await;
        bench.fetch(text(&file["url"])).await.body
    };
    let boat = draw("boat", 1).await;
    assert_eq!(boat, draw("boat", 1).await);
    assert_ne!(boat, draw("boat", 2).await);
    assert_ne!(boat, draw("ship", 1).await);
}

#[tokio::test]
async fn a_video_is_a_small_mp4_that_starts_at_once_with_a_thumbnail() {
    let bench = bench(quick()).await;
    let file = bench.clip().await;
    let file = bench.settled(&file["id"]).await;
    assert_eq!(folder(&bench, &file["url"]), ["generated", "video"]);
    let clip = bench.fetch(text(&file["url"])).await;
    assert_eq!(clip.header("content-type"), "video/mp4");
    assert!(clip.body.len() < 100_000);
    let at = |name: &[u8]| clip.body.windows(4).position(|four| four == name);
    assert_eq!(at(b"ftyp"), Some(4));
    assert!(at(b"moov").unwrap() < at(b"mdat").unwrap());
    let thumbnail = bench.fetch(text(&file["thumbnail_url"])).await;
    assert_eq!(size(&thumbnail.body), (320, 180));
}

#[tokio::test]
async fn a_range_answers_its_part() {
    let bench = bench(quick()).await;
    let file = bench.clip().await;
    let url = bench.settled(&file["id"]).await["url"].clone();
    let whole = bench.fetch(text(&url)).await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let part = fetch_with(&bench, &url, "range", "bytes=100-199").await;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, whole.body[100..200]);
    let shown = format!("bytes 100-199/{}", whole.body.len());
    assert_eq!(part.header("content-range"), shown);
    assert_eq!(part.header("content-length"), "100");
    let beyond = fetch_with(&bench, &url, "range", "bytes=999999-").await;
    assert_eq!(beyond.status, 416);
    let shown = format!("bytes */{}", whole.body.len());
    assert_eq!(beyond.header("content-range"), shown);
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let bench = bench(quick()).await;
    let file = picture(&bench, boat()).await;
    let tag = bench.fetch(text(&file["url"])).await.header("etag").to_owned();
    let again = fetch_with(&bench, &file["url"], "if-none-match", &tag).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let stale = fetch_with(&bench, &file["url"], "if-none-match", "\"x\"").await;
    assert_eq!(stale.status, 200);
}

#[tokio::test]
async fn head_answers_the_length_alone() {
    let bench = bench(quick()).await;
    let file = picture(&bench, boat()).await;
    let path = text(&file["url"]).strip_prefix(bench.sim.url()).unwrap();
    let head = bench.send(Method::HEAD, path, "").await;
    let whole = bench.get(path).await;
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let bench = bench(quick()).await;
    assert_eq!(bench.get("/generated/image/2025/8/8/9/x.webp").await.status, 404);
}
