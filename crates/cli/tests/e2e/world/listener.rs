//! A small HTTP server that writes down what it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Something that was said to it.
#[derive(Clone, Debug)]
pub struct Said {
    pub path: String,
    pub content_type: String,
    pub body: String,
}

/// The server. It lives as long as the process.
pub struct Listener {
    pub address: SocketAddr,
    said: Arc<Mutex<Vec<Said>>>,
}

impl Listener {
    /// One that answers everything with this status.
    pub fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let heard = said.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(one) = hear(stream, status) {
                    heard.lock().unwrap().push(one);
                }
            }
        });
        Self { address, said }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What was said since it was asked last.
    pub fn take(&self) -> Vec<Said> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }

    /// The paths of that.
    pub fn take_paths(&self) -> Vec<String> {
        self.take().into_iter().map(|said| said.path).collect()
    }
}

fn hear(stream: TcpStream, status: u16) -> Option<Said> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let (mut length, mut content_type) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "content-type" => value.trim().clone_into(&mut content_type),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    let reply = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(reply.as_bytes()).ok()?;
    Some(Said { path, content_type, body: String::from_utf8_lossy(&body).into_owned() })
}
