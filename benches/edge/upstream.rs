//! What is proxied: a server of its own process that answers 256 bytes at once, and some megabytes where it is asked to.

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// What `/large` answers, in bytes.
pub const LARGE: usize = 4 << 20;

pub struct Upstream {
    process: Child,
    pub address: String,
}

pub fn start(core: &str) -> Upstream {
    let mut process = Command::new("taskset")
        .args(["-c", core])
        .arg(std::env::current_exe().expect("this binary"))
        .arg("upstream")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the upstream starts");
    let mut address = String::new();
    let stdout = process.stdout.take().expect("the upstream's output");
    BufReader::new(stdout).read_line(&mut address).expect("the upstream's address");
    Upstream { process, address: address.trim().to_string() }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This process is the upstream.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        let (small, large) = (Bytes::from(vec![b'x'; 256]), Bytes::from(vec![b'x'; LARGE]));
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (small, large) = (small.clone(), large.clone());
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let body = if request.uri().path() == "/large" { large.clone() } else { small.clone() };
                let answer = http::Response::new(Full::new(body));
                async { Ok::<_, Infallible>(answer) }
            });
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
}
