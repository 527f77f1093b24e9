//! A small picture of a picture: the same bytes from the same bytes, within limits that the input cannot move.
//!
//! Decoders are given a picture only when its header says that it fits: the number of its pixels bounds their memory.
//! A progressive JPEG of four components takes the most, 12 bytes a pixel; the file's own bytes come on top, twice.

use std::io::Cursor;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use depot_domain::Sha256;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder as _, ImageEncoder as _, ImageError, ImageFormat,
    ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, webp::WebPEncoder},
    imageops::FilterType,
};

/// The longer side of a thumbnail is at most this.
pub const LONGER_SIDE: u32 = 320;
/// A picture much larger is first made so much larger than its thumbnail, each pixel going into one, and only then
/// filtered: filters cost memory by the pixel.
const COARSE: u32 = 4 * LONGER_SIDE;
/// Of JPEG, 1 to 100.
const QUALITY: u8 = 80;
/// Longer sides are drawn by nobody.
const MAX_SIDE: u32 = 32_768;
/// A progressive JPEG is passed over once a scan, and a scan may be a few bytes; encoders make about ten.
const MAX_SCANS: usize = 100;
/// Profiles and metadata that are unpacked beside the pixels.
const METADATA_BYTES: u64 = 8 * 1024 * 1024;

/// Kinds of pictures that get a thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Webp,
}

impl Kind {
    /// The kind that a verified type is; none where it gets no thumbnail.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        match content_type {
            "image/jpeg" | "image/jpg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            "image/webp" => Some(Self::Webp),
            _ => None,
        }
    }

    fn format(self) -> ImageFormat {
        match self {
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::Webp => ImageFormat::WebP,
        }
    }
}

/// A derived picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thumbnail {
    pub(crate) content: Bytes,
    pub(crate) sha256: Sha256,
    pub(crate) content_type: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Why a picture has none. It is stored all the same: its bytes are what was announced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoThumbnail {
    #[error("it is over a limit: {0}")]
    OverLimit(String),
    #[error("it cannot be decoded")]
    Undecodable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl NoThumbnail {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::OverLimit(_) => "over_limit",
            Self::Undecodable(_) => "undecodable",
        }
    }
}

/// Derives the thumbnail of a whole picture of at most `max_pixels`. Never larger than the picture; turned as its EXIF
/// data says.
///
/// # Errors
/// [`NoThumbnail`], the same for the same bytes.
pub(crate) fn derive(content: &[u8], kind: Kind, max_pixels: u64) -> Result<Thumbnail, NoThumbnail> {
    check_structure(content, kind)?;
    let mut decoder = {
        let mut reader = ImageReader::with_format(Cursor::new(content), kind.format());
        reader.limits(limits(max_pixels));
        reader.into_decoder().map_err(sort)?
    };
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > max_pixels {
        let detail = format!("{width} × {height} pixels, {max_pixels} are decoded");
        return Err(NoThumbnail::OverLimit(detail));
    }
    let orientation = decoder.orientation().map_err(sort)?;
    let whole = DynamicImage::from_decoder(decoder).map_err(sort)?;
    let mut small = shrink(whole);
    small.apply_orientation(orientation);
    encode(small)
}

/// What the decoders themselves check. Not the number of pixels, which is ours to see.
fn limits(max_pixels: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    // 16 bits of 4 channels.
    limits.max_alloc = Some(max_pixels.saturating_mul(8).saturating_add(METADATA_BYTES));
    limits
}

/// What the decoders don't check.
fn check_structure(content: &[u8], kind: Kind) -> Result<(), NoThumbnail> {
    match kind {
        Kind::Jpeg => {
            // In coded data 0xFF is followed by zero or a restart's number: this counts all scans, and few bytes more.
            let scans = content.windows(2).filter(|pair| pair == b"\xff\xda").count();
            if scans > MAX_SCANS {
                let detail = format!("{scans} scans, {MAX_SCANS} are decoded");
                return Err(NoThumbnail::OverLimit(detail));
            }
        }
        // A chunk is read into memory of the size that it claims.
        Kind::Webp if !chunks_fit(content) => {
            return Err(NoThumbnail::Undecodable(
                "a chunk claims more than there is".into(),
            ));
        }
        Kind::Webp | Kind::Png => {}
    }
    Ok(())
}

/// Whether all chunks of a RIFF file lie in it.
fn chunks_fit(content: &[u8]) -> bool {
    // After `RIFF`, the size, and `WEBP`.
    let mut rest = content.get(12..).unwrap_or_default();
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [.., a, b, c, d] = *header;
        let size = u32::from_le_bytes([a, b, c, d]) as usize;
        if size > body.len() {
            return false;
        }
        // Padded to an even size, but for the last one of a careless writer.
        rest = body.get(size + size % 2..).unwrap_or_default();
    }
    true
}

fn sort(error: ImageError) -> NoThumbnail {
    match error {
        ImageError::Limits(limit) => NoThumbnail::OverLimit(limit.to_string()),
        other => NoThumbnail::Undecodable(Box::new(other)),
    }
}

fn shrink(mut picture: DynamicImage) -> DynamicImage {
    if picture.width().max(picture.height()) > COARSE {
        picture = picture.thumbnail(COARSE, COARSE);
    }
    if picture.width().max(picture.height()) > LONGER_SIDE {
        picture = picture.resize(LONGER_SIDE, LONGER_SIDE, FilterType::CatmullRom);
    }
    picture
}

/// JPEG where nothing shines through, else lossless WebP.
fn encode(small: DynamicImage) -> Result<Thumbnail, NoThumbnail> {
    let (width, height) = (small.width(), small.height());
    let mut content = Vec::new();
    let rgba = small.into_rgba8();
    let is_opaque = rgba.pixels().all(|pixel| pixel.0[3] == u8::MAX);
    let content_type = if is_opaque {
        let rgb = DynamicImage::from(rgba).into_rgb8();
        let encoder = JpegEncoder::new_with_quality(&mut content, QUALITY);
        let encoded = encoder.write_image(&rgb, width, height, ExtendedColorType::Rgb8);
        encoded.map_err(sort)?;
        "image/jpeg"
    } else {
        let encoder = WebPEncoder::new_lossless(&mut content);
        let encoded = encoder.write_image(&rgba, width, height, ExtendedColorType::Rgba8);
        encoded.map_err(sort)?;
        "image/webp"
    };
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, &content).as_ref());
    Ok(Thumbnail {
        content: content.into(),
        sha256: Sha256::from_digest(sha256),
        content_type,
        width,
        height,
    })
}

#[cfg(test)]
mod tests;
