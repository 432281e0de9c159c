//! One connection without a pool, by hyper 1.

use std::error::Error;

use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1, header::HOST, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub async fn one_connection(url: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("a URL with a host")?.as_str();
    let stream = TokioIo::new(TcpStream::connect(authority).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    for _ in 0..count {
        sender.ready().await?;
        let request = Request::get("/").header(HOST, authority).body(Empty::<Bytes>::new())?;
        sender.send_request(request).await?.into_body().collect().await?;
    }
    Ok(())
}
