//! A store that fails: a proxy before a real one that counts what is asked, and does not always hand it on.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Result;
use socket2::SockRef;

use super::{Keys, MinIo};
use crate::random::Random;

const BUSY: &str = "503 Slow Down";
const FAILED: &str = "500 Internal Server Error";

/// What is lost of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is not done: the connection is reset.
    Request,
    /// It is done, and then the connection is reset.
    Reply,
}

/// How a store behaves.
#[derive(Clone, Debug)]
pub enum Weather {
    /// It does what it is asked for.
    Calm,
    /// One operation is lost, counted from 0.
    Once(usize, Loss),
    /// One operation is lost, and nothing is done after it.
    Stops(usize, Loss),
    /// Nothing is done.
    Gone,
    /// It fails by chance.
    Storm(Storm),
}

/// Chances in a hundred.
#[derive(Clone, Debug)]
pub struct Storm {
    /// Where chance begins.
    pub seed: u64,
    /// An operation fails: half of these by an answer of 500 and half by a reset, and half of each when it was done.
    pub errors: u64,
    /// It is refused because there are too many.
    pub throttled: u64,
    /// It takes up to two seconds longer.
    pub delayed: u64,
    /// An object that is read ends too soon.
    pub cut: u64,
    /// An object that is read has another byte.
    pub corrupted: u64,
}

/// A proxy before MinIO.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    weather: Weather,
    chance: Random,
    operations: Vec<String>,
    answered: Vec<(String, u64)>,
    lost: usize,
}

/// Who hears what of an operation.
#[derive(Debug, Default, PartialEq, Eq)]
enum Reply {
    /// What the store says.
    #[default]
    OfStore,
    /// Another answer.
    Status(&'static str),
    /// A reset.
    Lost,
}

/// What becomes of one operation.
#[derive(Debug, Default)]
struct Fate {
    delay: Duration,
    hands_on: bool,
    reply: Reply,
    cut: bool,
    corrupted: bool,
}

impl FaultProxy {
    /// Starts it, calm.
    pub fn before(store: &MinIo) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, behind) = (listener.local_addr()?.port(), store.port());
        let shared = Arc::new(Mutex::new(State {
            weather: Weather::Calm,
            chance: Random::new(0),
            operations: Vec::new(),
            answered: Vec::new(),
            lost: 0,
        }));
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                let state = Arc::clone(&state);
                // a client that goes away ends its own request only
                thread::spawn(move || drop(serve(&client, behind, &state)));
            }
        });
        Ok(Self { port, shared })
    }

    /// The environment by which a program speaks to the store through this.
    pub fn environment(&self, store: &MinIo, keys: &Keys) -> Vec<(&'static str, String)> {
        let mut environment = store.environment(keys);
        for (name, value) in &mut environment {
            if *name == "AWS_ENDPOINT_URL" {
                *value = format!("http://127.0.0.1:{}", self.port);
            }
        }
        environment
    }

    /// Lets the weather change, and counts anew.
    pub fn change(&self, weather: Weather) {
        let mut state = lock(&self.shared);
        if let Weather::Storm(storm) = &weather {
            state.chance = Random::new(storm.seed);
        }
        state.weather = weather;
        state.operations.clear();
        state.answered.clear();
        state.lost = 0;
    }

    /// What was asked since the weather changed, as method and target.
    pub fn operations(&self) -> Vec<String> {
        lock(&self.shared).operations.clone()
    }

    /// The answers that came from the store since then: method and target, and the bytes of the body.
    pub fn answered(&self) -> Vec<(String, u64)> {
        lock(&self.shared).answered.clone()
    }

    /// How many of these were not done, or their answer was not given.
    pub fn lost(&self) -> usize {
        lock(&self.shared).lost
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn fate_of(&mut self, operation: String) -> Fate {
        let number = self.operations.len();
        let reads = operation.starts_with("GET ") && !operation.contains('?');
        self.operations.push(operation);
        let lost = |loss| Fate {
            hands_on: loss == Loss::Reply,
            reply: Reply::Lost,
            ..Fate::default()
        };
        let fate = match self.weather {
            Weather::Once(at, loss) | Weather::Stops(at, loss) if number == at => lost(loss),
            Weather::Stops(at, _) if number > at => lost(Loss::Request),
            Weather::Gone => lost(Loss::Request),
            Weather::Storm(ref storm) => in_storm(storm, &mut self.chance, reads),
            _ => Fate {
                hands_on: true,
                ..Fate::default()
            },
        };
        self.lost += usize::from(fate.reply != Reply::OfStore);
        fate
    }
}

fn in_storm(storm: &Storm, chance: &mut Random, reads: bool) -> Fate {
    let mut happens = |percent: u64| chance.between(1, 100) <= percent;
    let delayed = happens(storm.delayed);
    let (cut, corrupted) = (
        reads && happens(storm.cut),
        reads && happens(storm.corrupted),
    );
    let rolled = chance.between(1, 100);
    let (hands_on, reply) = if rolled <= storm.errors {
        let reply = if chance.number() & 1 == 0 {
            Reply::Status(FAILED)
        } else {
            Reply::Lost
        };
        (chance.number() & 1 == 0, reply)
    } else if rolled <= storm.errors + storm.throttled {
        (false, Reply::Status(BUSY))
    } else {
        (true, Reply::OfStore)
    };
    let delay = if delayed { chance.between(1, 2_000) } else { 0 };
    Fate {
        delay: Duration::from_millis(delay),
        hands_on,
        reply,
        cut,
        corrupted,
    }
}

/// One request, and what becomes of it.
fn serve(mut client: &TcpStream, behind: u16, state: &Mutex<State>) -> io::Result<()> {
    let Some((operation, request)) = read_request(client)? else {
        return Ok(());
    };
    let is_head = operation.starts_with("HEAD ");
    let fate = lock(state).fate_of(operation.clone());
    thread::sleep(fate.delay);
    let answer = if fate.hands_on {
        let answer = ask(behind, &request)?;
        let body = (answer.len() - body_of(&answer)) as u64;
        lock(state).answered.push((operation, body));
        answer
    } else {
        Vec::new()
    };
    match fate.reply {
        Reply::OfStore => hand_back(client, answer, &fate),
        // at once, and with a reset
        Reply::Lost => SockRef::from(client).set_linger(Some(Duration::ZERO)),
        Reply::Status(status) => {
            let code = if status == BUSY {
                "SlowDown"
            } else {
                "InternalError"
            };
            let body = format!("<Error><Code>{code}</Code><Message>a fault</Message></Error>");
            let body = if is_head { "" } else { &body };
            write!(
                client,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
    }
}

fn hand_back(mut client: &TcpStream, mut answer: Vec<u8>, fate: &Fate) -> io::Result<()> {
    let body = body_of(&answer);
    let middle = body + (answer.len() - body) / 2;
    // the middle of a body, for there may be none
    if fate.corrupted && middle < answer.len() {
        answer[middle] ^= 0x20;
    }
    if fate.cut && middle < answer.len() {
        answer.truncate(middle);
    }
    client.write_all(&answer)
}

/// Where the body begins.
fn body_of(answer: &[u8]) -> usize {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(answer.len(), |end| end + 4)
}

/// Its method and target, and all its bytes; `None` where nobody asks anything.
fn read_request(client: &TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut reader = BufReader::new(client);
    let (mut request, mut length) = (Vec::new(), 0);
    let mut operation = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            // a connection serves one request
            "connection" => continue,
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
        if line == "\r\n" {
            request.extend_from_slice(b"Connection: close\r\n\r\n");
            break;
        }
        let asked = || line.rsplit_once(' ').map_or(&*line, |(asked, _)| asked);
        operation = operation.or_else(|| Some(asked().to_owned()));
        request.extend_from_slice(line.as_bytes());
    }
    reader.take(length).read_to_end(&mut request)?;
    Ok(operation.map(|operation| (operation, request)))
}

fn ask(behind: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", behind))?;
    let written = server.write_all(request);
    let mut answer = Vec::new();
    let read = server.read_to_end(&mut answer);
    // a store that refuses answers before it has read all of a larger body, and closes with a reset
    if answer.is_empty() {
        written?;
        read?;
    }
    Ok(answer)
}
