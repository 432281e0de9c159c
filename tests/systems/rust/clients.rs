//! clients CASE URL REQUESTS: makes requests one after the other, and leaves by itself.

mod by_hand;

use std::{env, error::Error, future::Future, time::Duration};

use reqwest::{Client, ClientBuilder};

type Outcome = Result<(), Box<dyn Error>>;

const SHORT: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(600);
// A connection is back in its pool a turn of the loop after its response has ended.
const SETTLED: Duration = Duration::from_millis(20);

async fn read(client: &Client, url: &str) -> Outcome {
    client.get(url).send().await?.bytes().await?;
    Ok(())
}

async fn one_after_the_other(builder: ClientBuilder, url: &str, count: usize, wait: Duration) -> Outcome {
    let client = builder.build()?;
    for each in 0..count {
        if each > 0 {
            tokio::time::sleep(wait).await;
        }
        read(&client, url).await?;
    }
    Ok(())
}

async fn unread(builder: ClientBuilder, url: &str, count: usize) -> Outcome {
    let client = builder.build()?;
    for _ in 0..count {
        drop(client.get(url).send().await?);
        tokio::time::sleep(SETTLED).await;
    }
    Ok(())
}

async fn two_at_once(builder: ClientBuilder, url: &str, count: usize) -> Outcome {
    let client = builder.build()?;
    for _ in 0..count / 2 {
        tokio::try_join!(read(&client, url), read(&client, url))?;
        tokio::time::sleep(SETTLED).await;
    }
    Ok(())
}

async fn get_each(url: &str, count: usize) -> Outcome {
    for _ in 0..count {
        reqwest::get(url).await?.bytes().await?;
    }
    Ok(())
}

async fn client_each(url: &str, count: usize) -> Outcome {
    for _ in 0..count {
        read(&Client::new(), url).await?;
    }
    Ok(())
}

async fn run(case: &str, url: &str, count: usize) -> Outcome {
    let pool = Client::builder;
    match case {
        "get-each" => get_each(url, count).await,
        "client-each" => client_each(url, count).await,
        "client" => one_after_the_other(pool(), url, count, SETTLED).await,
        "unread" => unread(pool(), url, count).await,
        "idle-0" => one_after_the_other(pool().pool_max_idle_per_host(0), url, count, SETTLED).await,
        "idle-1" => one_after_the_other(pool().pool_max_idle_per_host(1), url, count, SETTLED).await,
        "two-at-once-idle-1" => two_at_once(pool().pool_max_idle_per_host(1), url, count).await,
        "two-at-once-idle-2" => two_at_once(pool().pool_max_idle_per_host(2), url, count).await,
        "expired" => one_after_the_other(pool().pool_idle_timeout(SHORT), url, count, PAUSE).await,
        "never-expires" => one_after_the_other(pool().pool_idle_timeout(None), url, count, PAUSE).await,
        "by-hand" => by_hand::one_connection(url, count).await,
        unknown => Err(format!("no such case: {}", unknown).into()),
    }
}

fn block_on(future: impl Future<Output = Outcome>) -> Outcome {
    // On one thread a connection is back in its pool before the next request looks for one.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [case, url, count] => block_on(run(case, url, count.parse()?)),
        _ => Err("clients CASE URL REQUESTS".into()),
    }
}
