//! `testkit cluster [BROKERS]`: a cluster for a person or a script. Prints its address, and ends with standard input.

use std::{env, io};

use anyhow::{Context, Result, bail};
use lifeboat_tests::KafkaCluster;

#[expect(clippy::print_stdout, reason = "the address is what it is asked for")]
fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let brokers = match &arguments[..] {
        [command] if command == "cluster" => 1,
        [command, brokers] if command == "cluster" => {
            brokers.parse().context("not a number of brokers")?
        }
        _ => bail!("usage: testkit cluster [BROKERS]"),
    };
    let cluster = KafkaCluster::builder().brokers(brokers).start()?;
    println!("bootstrap {}", cluster.bootstrap());
    println!("directory {}", cluster.directory().display());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
