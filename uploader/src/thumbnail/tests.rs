use image::{Rgb, RgbImage, Rgba, RgbaImage, metadata::Orientation};

use super::*;

const MAX_PIXELS: u64 = 25_000_000;

/// A picture in which each pixel tells where it was.
fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 64])
    })
}

fn encoded(picture: impl Into<DynamicImage>, kind: Kind) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, kind.format()).unwrap();
    bytes.into_inner()
}

fn decoded(thumbnail: &Thumbnail) -> DynamicImage {
    image::load_from_memory(&thumbnail.content).unwrap()
}

#[track_caller]
fn over_limit(content: &[u8], kind: Kind) {
    let derived = derive(content, kind, MAX_PIXELS);
    assert!(matches!(derived, Err(NoThumbnail::OverLimit(_))), "{derived:?}");
}

#[track_caller]
fn undecodable(content: &[u8], kind: Kind) {
    let derived = derive(content, kind, MAX_PIXELS);
    assert!(matches!(derived, Err(NoThumbnail::Undecodable(_))), "{derived:?}");
}

/// A chunk of a PNG.
fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&kind[..], body].concat();
    let crc = named.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => (crc >> 1) ^ 0xEDB8_8320,
            _ => crc >> 1,
        })
    });
    let length = body.len() as u32;
    [&length.to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

/// A PNG whose header claims this size, in RGB, and that has nothing of it.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let nothing = [0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01];
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", &nothing),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

#[test]
fn a_thumbnail_keeps_the_proportions_and_is_never_larger_than_its_picture() {
    for kind in [Kind::Jpeg, Kind::Png, Kind::Webp] {
        for ((width, height), expected) in [
            ((640, 480), (320, 240)),
            ((300, 900), (107, 320)),
            ((2000, 1000), (320, 160)),
            ((4000, 10), (320, 1)),
            ((320, 320), (320, 320)),
            ((40, 30), (40, 30)),
            ((1, 1), (1, 1)),
        ] {
            let made = derive(&encoded(gradient(width, height), kind), kind, MAX_PIXELS).unwrap();
            assert_eq!((made.width, made.height), expected, "{kind:?} {width} × {height}");
            let decoded = decoded(&made);
            assert_eq!((decoded.width(), decoded.height()), expected);
        }
    }
}

#[test]
fn the_same_bytes_give_the_same_bytes() {
    for kind in [Kind::Jpeg, Kind::Png, Kind::Webp] {
        let picture = encoded(gradient(1500, 700), kind);
        let first = derive(&picture, kind, MAX_PIXELS).unwrap();
        for _ in 0..3 {
            assert_eq!(derive(&picture, kind, MAX_PIXELS).unwrap(), first);
        }
        let digest = digest(&SHA256, &first.content);
        assert_eq!(
            first.sha256,
            Sha256::from_digest(digest.as_ref().try_into().unwrap())
        );
    }
    // Exactly these, on every machine: another encoder or filter is a decision.
    let made = derive(&encoded(gradient(640, 480), Kind::Png), Kind::Png, MAX_PIXELS).unwrap();
    assert_eq!(
        (made.content.len(), made.sha256.as_str()),
        (
            6_652,
            "fdd2523af97432d8b6e50c6fb9b6f23b134d6149afca8ccf2748676e6575f6cf"
        )
    );
}

#[test]
fn what_shines_through_is_kept_and_what_does_not_is_a_jpeg() {
    let glass = RgbaImage::from_fn(700, 700, |x, _| Rgba([200, 10, 10, (x % 256) as u8]));
    let made = derive(&encoded(glass, Kind::Png), Kind::Png, MAX_PIXELS).unwrap();
    assert_eq!(made.content_type, "image/webp");
    assert!(decoded(&made).to_rgba8().pixels().any(|pixel| pixel.0[3] < 255));
    let wall = RgbaImage::from_pixel(700, 700, Rgba([200, 10, 10, 255]));
    let made = derive(&encoded(wall, Kind::Png), Kind::Png, MAX_PIXELS).unwrap();
    assert_eq!(made.content_type, "image/jpeg");
}

#[test]
fn a_photograph_that_was_held_upright_stands_upright() {
    let picture = encoded(gradient(640, 480), Kind::Jpeg);
    // After the start: EXIF with one entry, the orientation, 6: to be turned by a quarter, clockwise.
    let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = [&picture[..2], exif, &picture[2..]].concat();
    let lying = derive(&picture, Kind::Jpeg, MAX_PIXELS).unwrap();
    let standing = derive(&turned, Kind::Jpeg, MAX_PIXELS).unwrap();
    assert_eq!((lying.width, lying.height), (320, 240));
    assert_eq!((standing.width, standing.height), (240, 320));
    let mut expected = decoded(&lying);
    expected.apply_orientation(Orientation::Rotate90);
    let (a, b) = (expected.to_rgb8(), decoded(&standing).to_rgb8());
    let differs = a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(differs.unwrap() < 32, "{differs:?}");
}

#[test]
fn a_tiny_file_that_claims_a_huge_picture_is_not_decoded() {
    for (width, height) in [
        (30_000, 30_000),
        (5_001, 5_000),
        (100_000, 1),
        (u32::MAX >> 1, u32::MAX >> 1),
    ] {
        let bomb = claiming(width, height);
        assert!(bomb.len() < 100);
        over_limit(&bomb, Kind::Png);
    }
    // A header, and that is all: 65,535 × 65,535.
    let jpeg = encoded(gradient(8, 8), Kind::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    let mut bomb = jpeg.clone();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    over_limit(&bomb, Kind::Jpeg);
    // Lossless WebP, 16,383 × 16,383: both sides less one, in 14 bits each.
    let mut bomb = encoded(gradient(8, 8), Kind::Webp);
    let frame = bomb.windows(4).position(|word| word == b"VP8L").unwrap();
    bomb[frame + 9..frame + 12].copy_from_slice(&[0xFE, 0xBF, 0xFF]);
    bomb[frame + 12] |= 0x0F;
    over_limit(&bomb, Kind::Webp);
}

#[test]
fn a_picture_of_nothing_packed_a_thousandfold_is_over_the_limit_or_within_it() {
    // One that is over it is not unpacked; one that is not gets its thumbnail.
    let bomb = encoded(image::GrayImage::new(12_000, 12_000), Kind::Png);
    assert!(bomb.len() < 1_000_000, "{}", bomb.len());
    over_limit(&bomb, Kind::Png);
    let large = encoded(image::GrayImage::new(4_000, 4_000), Kind::Png);
    let made = derive(&large, Kind::Png, MAX_PIXELS).unwrap();
    assert_eq!((made.width, made.height), (320, 320));
}

#[test]
fn a_jpeg_of_countless_scans_is_not_passed_over_countless_times() {
    let picture = encoded(gradient(64, 64), Kind::Jpeg);
    let scan = picture.windows(2).position(|pair| pair == b"\xff\xda").unwrap();
    let scans = picture[scan..scan + 14].repeat(MAX_SCANS + 1);
    over_limit(&[&picture[..scan], &scans, &picture[scan..]].concat(), Kind::Jpeg);
}

#[test]
fn what_is_cut_off_or_of_another_kind_cannot_be_decoded() {
    for kind in [Kind::Png, Kind::Webp] {
        let picture = encoded(gradient(400, 400), kind);
        for part in [picture.len() / 2, 40, 0] {
            undecodable(&picture[..part], kind);
        }
    }
    let jpeg = encoded(gradient(400, 400), Kind::Jpeg);
    undecodable(&jpeg[..20], Kind::Jpeg);
    undecodable(&jpeg, Kind::Png);
    undecodable(&jpeg, Kind::Webp);
    undecodable(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Kind::Png);
}

#[test]
fn a_chunk_that_claims_more_than_there_is_takes_no_memory() {
    let mut picture = encoded(gradient(64, 64), Kind::Webp);
    assert!(chunks_fit(&picture));
    picture.extend_from_slice(b"EXIF\xff\xff\xff\xff");
    undecodable(&picture, Kind::Webp);
}

/// Every byte changed, one at a time: whatever comes of it, it comes.
#[test]
fn damaged_pictures_do_no_harm() {
    for kind in [Kind::Jpeg, Kind::Png, Kind::Webp] {
        let picture = encoded(gradient(24, 24), kind);
        for at in 0..picture.len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut damaged = picture.clone();
                damaged[at] ^= change;
                let first = derive(&damaged, kind, 100_000);
                let again = derive(&damaged, kind, 100_000);
                assert_eq!(first.is_ok(), again.is_ok());
            }
        }
    }
}
