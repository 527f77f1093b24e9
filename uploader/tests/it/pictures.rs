//! Pictures that a test makes for itself.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// One of its own for each `seed`.
pub fn picture(seed: u16, format: ImageFormat) -> Vec<u8> {
    let [high, low] = seed.to_be_bytes();
    let pixels = RgbImage::from_fn(640, 480, |x, y| Rgb([(x / 3) as u8, (y / 2) as u8 ^ high, low]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(pixels).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn png(seed: u16) -> Vec<u8> {
    picture(seed, ImageFormat::Png)
}
