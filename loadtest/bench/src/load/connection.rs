use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection that carries one request at a time. It knows as much of HTTP as the servers here speak: an answer has a
/// `content-length`, or no body.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The status of an answer, and where its body lies in what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    body: usize,
    length: usize,
}

impl Connection {
    /// To `host:port`.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a whole request, and reads the whole answer; its status.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(head) = head(&self.read)?
                && self.read.len() >= head.body + head.length
            {
                return Ok(head.status);
            }
        }
    }

    /// A header of the last answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let end = head(&self.read).ok().flatten()?.body;
        let text = std::str::from_utf8(&self.read[..end]).ok()?;
        header(text, name)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        match head(&self.read) {
            Ok(Some(head)) => &self.read[head.body..],
            _ => &[],
        }
    }
}

/// None while it has not come whole.
fn head(read: &[u8]) -> Result<Option<Head>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&read[..end + 2]).context("a head is text")?;
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    let length = match header(text, "content-length") {
        Some(length) => length.parse().context("a length is a number")?,
        None => 0,
    };
    Ok(Some(Head {
        status: status.with_context(|| format!("no status in {text:?}"))?,
        body: end + 4,
        length,
    }))
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.split("\r\n").skip(1);
    lines.find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 201 Created\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\nhello";
        let whole = Head {
            status: 201,
            body: answer.len() - 5,
            length: 5,
        };
        assert_eq!(head(answer).unwrap(), Some(whole));
        assert_eq!(head(&answer[..20]).unwrap(), None);
        let text = std::str::from_utf8(answer).unwrap();
        assert_eq!(header(text, "etag"), Some("\"1\""));
    }

    #[test]
    fn an_answer_without_a_length_has_no_body() {
        let head = head(b"HTTP/1.1 304 Not Modified\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.status, head.length), (304, 0));
    }
}
