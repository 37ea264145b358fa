//! Pictures: a sky, a sun and two ridges of hills, whose colours come from seed and prompt.
//!
//! Drawn in blocks of equal pixels, which is quick to fill and quick to compress.

use std::iter;

use bytes::Bytes;
use image_webp::{ColorType, WebPEncoder};

/// Blocks along the longer side, of a picture and its thumbnail alike.
const BLOCKS: usize = 128;

type Colour = [u8; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) look: u64,
}

struct Scene {
    top: Colour,
    bottom: Colour,
    sun: Colour,
    hills: [Colour; 2],
    sun_at: (f32, f32),
    phase: f32,
}

/// What a picture of this prompt and seed looks like, as one number (FNV-1a).
pub(crate) fn look(prompt: &str, seed: i64) -> u64 {
    let bytes = prompt.bytes().chain(seed.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Picture {
    /// The same picture within 256 pixels.
    pub(crate) fn thumbnail(self) -> Self {
        let longest = self.width.max(self.height).max(256);
        let scale = |side: u32| (side * 256 / longest).max(1);
        Self { width: scale(self.width), height: scale(self.height), ..self }
    }

    /// Encodes it as lossless WebP; takes milliseconds to tenths of a second of processor time.
    pub(crate) fn webp(self) -> Bytes {
        let pixels = self.pixels();
        let mut file = Vec::new();
        WebPEncoder::new(&mut file)
            .encode(&pixels, self.width, self.height, ColorType::Rgb8)
            .expect("sizes are checked when the job is made, and memory takes every byte");
        file.into()
    }

    fn pixels(self) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let (scene, block) = (Scene::new(self.look), width.max(height).div_ceil(BLOCKS));
        let mut pixels = Vec::with_capacity(width * height * 3);
        for top in (0..height).step_by(block) {
            let row = scene.row(block, (width, height), top);
            for _ in top..height.min(top + block) {
                pixels.extend_from_slice(&row);
            }
        }
        pixels
    }
}

impl Scene {
    fn new(look: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(look);
        let hue = dice.f32();
        Self {
            top: colour(hue, 0.55),
            bottom: colour(hue + 0.12, 0.92),
            sun: colour(hue + 0.5, 0.97),
            hills: [colour(hue + 0.3, 0.5), colour(hue + 0.36, 0.32)],
            sun_at: (0.2 + 0.6 * dice.f32(), 0.2 + 0.25 * dice.f32()),
            phase: 6.0 * dice.f32(),
        }
    }

    fn row(&self, block: usize, (width, height): (usize, usize), top: usize) -> Vec<u8> {
        let (wide, y) = (width as f32 / height as f32, top as f32 / height as f32);
        let blocks = (0..width).step_by(block);
        let colours = blocks.map(|left| self.at(left as f32 / width as f32, y, wide));
        let bytes = colours.flat_map(|colour| iter::repeat_n(colour, block).flatten());
        bytes.take(width * 3).collect()
    }

    fn at(&self, x: f32, y: f32, wide: f32) -> Colour {
        let near = 0.82 + 0.06 * (5.0 * x + self.phase).sin();
        let far = 0.68 + 0.09 * (3.0 * x - self.phase).sin();
        let (dx, dy) = ((x - self.sun_at.0) * wide, y - self.sun_at.1);
        if y > near {
            self.hills[1]
        } else if y > far {
            self.hills[0]
        } else if dx * dx + dy * dy < 0.01 {
            self.sun
        } else {
            mix(self.top, self.bottom, y)
        }
    }
}

fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    let part = |index: usize| {
        let (from, to) = (f32::from(from[index]), f32::from(to[index]));
        (from + (to - from) * share) as u8
    };
    [part(0), part(1), part(2)]
}

/// A soft colour of this hue (a turn is 1) and brightness.
fn colour(hue: f32, bright: f32) -> Colour {
    let part = |shift: f32| {
        let wave = ((hue + shift) * std::f32::consts::TAU).cos();
        (255.0 * bright * (0.72 + 0.28 * wave)) as u8
    };
    [part(0.0), part(0.33), part(0.67)]
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image_webp::WebPDecoder;

    use super::*;

    fn picture(prompt: &str, seed: i64) -> Picture {
        Picture { width: 100, height: 37, look: look(prompt, seed) }
    }

    #[test]
    fn a_picture_is_real_webp_of_the_size_asked() {
        let file = picture("boat", 1).webp();
        let mut decoder = WebPDecoder::new(Cursor::new(file)).unwrap();
        assert_eq!(decoder.dimensions(), (100, 37));
        let mut pixels = vec![0; 100 * 37 * 3];
        decoder.read_image(&mut pixels).unwrap();
        assert_eq!(pixels, picture("boat", 1).pixels());
    }

    #[test]
    fn colours_depend_on_seed_and_prompt() {
        let all = [picture("boat", 1), picture("boat", 2), picture("ship", 1)];
        let [a, b, c] = all.map(Picture::pixels);
        assert!(a != b && a != c && b != c);
    }

    #[test]
    fn a_thumbnail_keeps_the_shape() {
        let wide = Picture { width: 1024, height: 512, look: 0 };
        let small = wide.thumbnail();
        assert_eq!((small.width, small.height), (256, 128));
        let strip = Picture { width: 4096, height: 1, look: 0 };
        assert_eq!(strip.thumbnail().height, 1);
    }
}
