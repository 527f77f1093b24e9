//! The files of the page, as they lie in the program.

use aws_lc_rs::digest;
use axum::response::{IntoResponse as _, Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
};

mod built {
    use super::File;

    include!(concat!(env!("OUT_DIR"), "/console.rs"));
}

/// Asked for again each time: it changes with the program.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");

/// A file, as `build.rs` puts it in.
#[derive(Debug)]
struct File {
    path: &'static str,
    media_type: &'static str,
    plain: &'static [u8],
    /// Where it is smaller.
    gzip: Option<&'static [u8]>,
}

/// A file with the tags of its two forms.
#[derive(Debug)]
pub struct Asset {
    file: &'static File,
    tag: HeaderValue,
    gzip_tag: HeaderValue,
}

/// All of them, by path.
#[derive(Debug)]
pub struct Assets(Vec<Asset>);

impl Assets {
    pub fn load() -> Self {
        Self(built::FILES.iter().map(Asset::new).collect())
    }

    pub fn find(&self, path: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.file.path == path)
    }
}

impl Asset {
    fn new(file: &'static File) -> Self {
        let hash = digest::digest(&digest::SHA256, file.plain);
        let mut name = String::new();
        for byte in &hash.as_ref()[..12] {
            name.push_str(&format!("{byte:02x}"));
        }
        let tag = |end: &str| {
            let text = format!("\"{name}{end}\"");
            // Of hexadecimal digits and a word, which any header takes.
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
        };
        Self {
            file,
            tag: tag(""),
            gzip_tag: tag("-gzip"),
        }
    }

    /// The file, or that it has not changed.
    pub fn answer(&self, asked: &HeaderMap) -> Response {
        let gzip = self.file.gzip.filter(|_| takes_gzip(asked));
        let (bytes, tag) = match gzip {
            Some(gzip) => (gzip, &self.gzip_tag),
            None => (self.file.plain, &self.tag),
        };
        let mut response = if is_known(asked, tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = bytes.into_response();
            let media_type = HeaderValue::from_static(self.file.media_type);
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            if gzip.is_some() {
                let gzip = HeaderValue::from_static("gzip");
                response.headers_mut().insert(CONTENT_ENCODING, gzip);
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, tag.clone());
        headers.insert(CACHE_CONTROL, REVALIDATED);
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

/// Whether `gzip` is among what is taken, and not refused by a weight of 0.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight != Some(0.0)
    })
}

fn is_known(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    // Compared weakly: a proxy that compresses makes it a weak one.
    tags.any(|known| known.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first load may weigh.
    const MOST: usize = 200 * 1024;

    #[test]
    fn the_whole_console_is_small() {
        let sent = |file: &File| file.gzip.unwrap_or(file.plain).len();
        let all: usize = built::FILES.iter().map(sent).sum();
        assert!(all <= MOST, "{all} bytes compressed");
    }

    #[test]
    fn the_page_runs_nothing_that_stands_in_it_and_loads_nothing_of_another_host() {
        let page = Assets::load();
        let page = std::str::from_utf8(page.find("index.html").unwrap().file.plain).unwrap();
        assert!(!page.contains("style=") && !page.contains("<style"), "{page}");
        for script in page.split("<script").skip(1) {
            assert!(
                script.contains("src=\"/console/"),
                "a script within the page: {script}"
            );
        }
        for begin in ["src=\"", "href=\""] {
            for address in page.split(begin).skip(1) {
                assert!(address.starts_with(['/', '#']), "{address}");
            }
        }
    }

    #[test]
    fn a_form_is_chosen_by_what_is_taken_and_has_a_tag_of_its_own() {
        let assets = Assets::load();
        let page = assets.find("index.html").unwrap();
        let asked = |pairs: &[(http::HeaderName, &str)]| {
            let pairs = pairs.iter();
            let headers = pairs.map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
            page.answer(&headers.collect())
        };
        let plain = asked(&[]);
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        let small = asked(&[(ACCEPT_ENCODING, "br, gzip;q=0.8")]);
        assert_eq!(small.headers()[CONTENT_ENCODING], "gzip");
        assert_ne!(small.headers()[ETAG], plain.headers()[ETAG]);
        let refused = asked(&[(ACCEPT_ENCODING, "gzip;q=0, br")]);
        assert!(!refused.headers().contains_key(CONTENT_ENCODING));
        let tag = plain.headers()[ETAG].to_str().unwrap().to_owned();
        let known = asked(&[(IF_NONE_MATCH, &format!("\"other\", W/{tag}"))]);
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        let other_form = asked(&[(IF_NONE_MATCH, &tag), (ACCEPT_ENCODING, "gzip")]);
        assert_eq!(other_form.status(), StatusCode::OK);
    }
}
