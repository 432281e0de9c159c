//! One connection without a pool, by hyper 0.14.

use std::error::Error;

use futures_util::future::poll_fn;
use hyper::{body, client::conn, header::HOST, Body, Request, Uri};
use tokio::net::TcpStream;

pub async fn one_connection(url: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("a URL with a host")?.as_str();
    let (mut sender, connection) = conn::handshake(TcpStream::connect(authority).await?).await?;
    tokio::spawn(connection);
    for _ in 0..count {
        poll_fn(|context| sender.poll_ready(context)).await?;
        let request = Request::get("/").header(HOST, authority).body(Body::empty())?;
        body::to_bytes(sender.send_request(request).await?.into_body()).await?;
    }
    Ok(())
}
