use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// A PNG of its own for each `seed`, of some hundred bytes.
pub fn small_png(seed: u32) -> Vec<u8> {
    let [_, red, green, blue] = seed.to_be_bytes();
    let picture = RgbImage::from_pixel(40, 30, Rgb([red, green, blue]));
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("a picture in memory");
    bytes.into_inner()
}
