//! Which processes run a job, which of them this one is, and how long they wait for one another.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a job is spread over processes, and which of them this one is.
///
/// All processes of a job have the same, except for their index and the address on which they listen.
///
/// ```
/// use psdf_cluster::config::Config;
/// let config = Config::new("traffic").processes(3).workers(2);
/// assert!(config.check_shape().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    job: String,
    processes: usize,
    workers: usize,
    index: usize,
    addresses: Vec<String>,
    listen: Option<String>,
    secret: Secret,
    assembly: Duration,
    silence: Duration,
    patience: Duration,
    stopping: Duration,
}

/// What the processes of a job know and strangers do not. It is never sent and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<B: Into<Vec<u8>>> From<B> for Secret {
    fn from(bytes: B) -> Self {
        Secret(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "(not shown)" })
    }
}

impl Config {
    /// One process with one worker.
    ///
    /// `job` tells this job's processes from those of others that may come to the same addresses.
    #[must_use]
    pub fn new(job: impl Into<String>) -> Self {
        Config {
            job: job.into(),
            processes: 1,
            workers: 1,
            index: 0,
            addresses: Vec::new(),
            listen: None,
            secret: Secret::default(),
            assembly: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            stopping: Duration::from_secs(60),
        }
    }

    /// How many processes run the job; 1 unless set. It may be another number at each start.
    #[must_use]
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes;
        self
    }

    /// How many workers, each a thread, there are in each process; 1 unless set.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Which process this one is, from 0 on.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.index = index;
        self
    }

    /// Where each process is found by the others: `host:port`, in the order of their indexes.
    ///
    /// Not needed for one process, nor under [`supervise`](crate::supervise::supervise), which finds ports by itself.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addresses = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Where this process listens, `host:port`, if that is not where the others find it: in a container `0.0.0.0:2101`.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// A secret that all processes share; who does not have it is refused. It is proved and never sent.
    ///
    /// It keeps strangers out. It does not hide records from one who reads on the wire: that takes a tunnel
    /// (`docs/scale.md`).
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secret = secret.into();
        self
    }

    /// How long to wait until all processes are there; 60 s unless set.
    #[must_use]
    pub fn assembly(mut self, deadline: Duration) -> Self {
        self.assembly = deadline;
        self
    }

    /// How long another machine may acknowledge nothing before it is taken for dead; 30 s unless set, at least 1 s.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence.max(Duration::from_secs(1));
        self
    }

    /// How long an epoch may stay incomplete before a process gives the run up, to be started again; 60 s unless set.
    ///
    /// It must be longer than a checkpoint takes to be stored.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long a supervisor waits for its processes to come to a clean end before it kills them; 60 s unless set.
    #[must_use]
    pub fn stopping(mut self, stopping: Duration) -> Self {
        self.stopping = stopping;
        self
    }

    /// What the environment says, for processes that are started by systemd, Kubernetes or by hand.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `PSDF_JOB` | the name of the job; the only one that must be there |
    /// | `PSDF_PROCESSES`, `PSDF_WORKERS` | how many; 1 |
    /// | `PSDF_INDEX` | which one this is; the number at the end of `HOSTNAME` (`traffic-2`), as a StatefulSet gives it |
    /// | `PSDF_ADDRESSES` | `host:port,host:port,..`, or one for all, with `{}` in place of the index: `traffic-{}.traffic:2101` |
    /// | `PSDF_LISTEN` | where this one listens |
    /// | `PSDF_SECRET`, `PSDF_SECRET_FILE` | the secret, or a file that holds it (a line break at its end does not count) |
    /// | `PSDF_ASSEMBLY_SECONDS`, `PSDF_SILENCE_SECONDS`, `PSDF_PATIENCE_SECONDS`, `PSDF_STOPPING_SECONDS` | the waiting times |
    ///
    /// # Errors
    /// [`ConfigError`], with the name of the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        let variable = |name: &str| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(ConfigError::Variable { name: name.to_owned(), must: "be UTF-8" })
            }
        };
        Self::read(&variable)
    }

    fn read(variable: &Variables<'_>) -> Result<Self, ConfigError> {
        let mut config = Config::new(variable("PSDF_JOB")?.ok_or(ConfigError::NoJob)?);
        if let Some(processes) = number(variable, "PSDF_PROCESSES")? {
            config.processes = processes;
        }
        if let Some(workers) = number(variable, "PSDF_WORKERS")? {
            config.workers = workers;
        }
        config.index = match number(variable, "PSDF_INDEX")? {
            Some(index) => index,
            None if config.processes > 1 => {
                let host = variable("HOSTNAME")?;
                host.as_deref().and_then(ordinal).ok_or(ConfigError::NoIndex { host })?
            }
            None => 0,
        };
        if let Some(addresses) = variable("PSDF_ADDRESSES")? {
            config.addresses = spread(&addresses, config.processes);
        }
        config.listen = variable("PSDF_LISTEN")?;
        config.secret = match (variable("PSDF_SECRET")?, variable("PSDF_SECRET_FILE")?) {
            (Some(secret), _) if secret.is_empty() => {
                return Err(ConfigError::Variable { name: "PSDF_SECRET".into(), must: "not be empty" });
            }
            (Some(secret), _) => secret.into(),
            (None, Some(path)) => read_secret(path.into())?,
            (None, None) => Secret::default(),
        };
        for (name, wait) in [
            ("PSDF_ASSEMBLY_SECONDS", &mut config.assembly),
            ("PSDF_SILENCE_SECONDS", &mut config.silence),
            ("PSDF_PATIENCE_SECONDS", &mut config.patience),
            ("PSDF_STOPPING_SECONDS", &mut config.stopping),
        ] {
            if let Some(seconds) = number(variable, name)? {
                *wait = Duration::from_secs(seconds.max(1) as u64);
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Whether there is a process, a worker, and a name.
    ///
    /// # Errors
    /// [`ConfigError`], with what to change.
    pub fn check_shape(&self) -> Result<(), ConfigError> {
        if self.job.is_empty() || self.job.len() > 255 {
            return Err(ConfigError::Job);
        }
        match (self.processes, self.workers) {
            (0, _) => Err(ConfigError::None { what: "processes" }),
            (_, 0) => Err(ConfigError::None { what: "workers" }),
            (MAX_PROCESSES.., _) => Err(ConfigError::TooMany { processes: self.processes }),
            _ => Ok(()),
        }
    }

    /// Whether this process can take its place among the others: besides [`Config::check_shape`], that it has an index and
    /// that there is an address for each.
    ///
    /// # Errors
    /// [`ConfigError`], with what to change.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_shape()?;
        if self.index >= self.processes {
            return Err(ConfigError::Index { index: self.index, processes: self.processes });
        }
        if self.processes == 1 {
            return Ok(());
        }
        if self.addresses.len() != self.processes {
            return Err(ConfigError::Addresses {
                addresses: self.addresses.len(),
                processes: self.processes,
            });
        }
        match self.addresses.iter().chain(&self.listen).find(|address| !is_address(address)) {
            Some(address) => Err(ConfigError::Address { address: address.clone() }),
            None => Ok(()),
        }
    }

    /// The job's name.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.job
    }

    /// How many processes there are.
    #[must_use]
    pub fn process_count(&self) -> usize {
        self.processes
    }

    /// How many workers there are in each process.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers
    }

    /// Which process this one is.
    #[must_use]
    pub fn own_index(&self) -> usize {
        self.index
    }

    /// Where a process is found by the others.
    #[must_use]
    pub fn address_of(&self, index: usize) -> Option<&str> {
        self.addresses.get(index).map(String::as_str)
    }

    /// Where this process listens.
    #[must_use]
    pub fn own_listen(&self) -> Option<&str> {
        self.listen.as_deref().or_else(|| self.address_of(self.index))
    }

    pub(crate) fn own_secret(&self) -> &Secret {
        &self.secret
    }

    /// How long to wait until all processes are there.
    #[must_use]
    pub fn assembly_deadline(&self) -> Duration {
        self.assembly
    }

    /// How long another machine may acknowledge nothing.
    #[must_use]
    pub fn silence_limit(&self) -> Duration {
        self.silence
    }

    /// How long a supervisor waits for a clean end.
    #[must_use]
    pub fn stopping_limit(&self) -> Duration {
        self.stopping
    }

    /// How long an epoch may stay incomplete.
    #[must_use]
    pub fn patience_limit(&self) -> Duration {
        self.patience
    }
}

/// Two threads of each process for each other one; far fewer are sensible.
const MAX_PROCESSES: usize = 1025;

type Variables<'a> = dyn Fn(&str) -> Result<Option<String>, ConfigError> + 'a;

fn number(variable: &Variables<'_>, name: &str) -> Result<Option<usize>, ConfigError> {
    let number = |value: String| {
        value
            .trim()
            .parse()
            .map_err(|_| ConfigError::Variable { name: name.to_owned(), must: "be a whole number" })
    };
    variable(name)?.map(number).transpose()
}

/// The number at the end of a name: 2 of `traffic-2`.
fn ordinal(host: &str) -> Option<usize> {
    host.split('.').next()?.rsplit_once('-')?.1.parse().ok()
}

fn spread(addresses: &str, processes: usize) -> Vec<String> {
    if addresses.contains("{}") {
        return (0..processes).map(|index| addresses.trim().replace("{}", &index.to_string())).collect();
    }
    addresses.split(',').map(str::trim).filter(|address| !address.is_empty()).map(str::to_owned).collect()
}

fn is_address(address: &str) -> bool {
    let port = |port: &str| port.parse::<u16>().is_ok();
    address.rsplit_once(':').is_some_and(|(host, number)| !host.is_empty() && port(number))
}

fn read_secret(path: PathBuf) -> Result<Secret, ConfigError> {
    let bytes = std::fs::read(&path)
        .map_err(|error| ConfigError::SecretFile { path: path.clone(), why: error.to_string() })?;
    match bytes.trim_ascii_end() {
        // Nobody means by an empty file that everybody may come in.
        [] => Err(ConfigError::SecretFile { path, why: "it is empty".into() }),
        secret => Ok(secret.into()),
    }
}

/// A process cannot take its place in a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The environment has no `PSDF_JOB`.
    NoJob,
    /// The job's name is empty or longer than 255 bytes.
    Job,
    /// There is nothing of what there must be at least one.
    None {
        /// Processes or workers.
        what: &'static str,
    },
    /// There are more processes than can be connected with one another.
    TooMany {
        /// How many.
        processes: usize,
    },
    /// Neither `PSDF_INDEX` nor the host's name says which process this one is.
    NoIndex {
        /// The host's name, if there is one.
        host: Option<String>,
    },
    /// There is no process of that index.
    Index {
        /// The index.
        index: usize,
        /// How many processes there are.
        processes: usize,
    },
    /// There is not one address for each process.
    Addresses {
        /// How many addresses there are.
        addresses: usize,
        /// How many processes there are.
        processes: usize,
    },
    /// It is no `host:port`.
    Address {
        /// What was written.
        address: String,
    },
    /// A variable of the environment cannot be read.
    Variable {
        /// Its name.
        name: String,
        /// What it must do.
        must: &'static str,
    },
    /// The secret cannot be read.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NoJob => f.write_str("the job has no name; set `PSDF_JOB`"),
            ConfigError::Job => f.write_str("the name of the job must have 1 to 255 bytes"),
            ConfigError::None { what } => write!(f, "a job needs one or more {what}, and there are to be 0"),
            ConfigError::TooMany { processes } => write!(
                f,
                "{processes} processes are more than can all be connected with one another; give each of fewer \
                 processes more workers"
            ),
            ConfigError::NoIndex { host: Some(host) } => write!(
                f,
                "nothing says which process this one is: `PSDF_INDEX` is not set, and the host's name `{host}` does not \
                 end with a number such as in `traffic-2`"
            ),
            ConfigError::NoIndex { host: None } => {
                f.write_str("nothing says which process this one is; set `PSDF_INDEX`")
            }
            ConfigError::Index { index, processes } => write!(
                f,
                "there is no process {index}: there are {processes}, and they are counted from 0 on"
            ),
            ConfigError::Addresses { addresses, processes } => write!(
                f,
                "{processes} processes need {processes} addresses, and there are {addresses}; set `PSDF_ADDRESSES` to \
                 `host:port,host:port,..`, or to one with `{{}}` in place of the index"
            ),
            ConfigError::Address { address } => {
                write!(f, "`{address}` is no address; write `host:port`")
            }
            ConfigError::Variable { name, must } => write!(f, "`{name}` must {must}"),
            ConfigError::SecretFile { path, why } => {
                write!(f, "the secret cannot be read from `{}`: {why}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn one_process_needs_nothing_but_a_name() {
        let config = read(&[("PSDF_JOB", "traffic")]).unwrap();
        assert_eq!((config.job(), config.process_count(), config.own_index()), ("traffic", 1, 0));
        assert_eq!(read(&[]).unwrap_err(), ConfigError::NoJob);
    }

    #[test]
    fn a_stateful_set_gives_each_of_its_pods_an_index() {
        let mut variables = vec![
            ("PSDF_JOB", "traffic"),
            ("PSDF_PROCESSES", "3"),
            ("PSDF_ADDRESSES", "traffic-{}.traffic:2101"),
            ("PSDF_LISTEN", "0.0.0.0:2101"),
            ("HOSTNAME", "traffic-2"),
        ];
        let config = read(&variables).unwrap();
        assert_eq!(config.own_index(), 2);
        assert_eq!(config.address_of(1), Some("traffic-1.traffic:2101"));
        assert_eq!(config.own_listen(), Some("0.0.0.0:2101"));
        variables.push(("PSDF_INDEX", "1"));
        assert_eq!(read(&variables).unwrap().own_index(), 1, "what is said holds");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        let job = ("PSDF_JOB", "traffic");
        let wrong = |more: &[(&str, &str)]| read(&[&[job], more].concat()).unwrap_err().to_string();
        let three = ("PSDF_PROCESSES", "3");
        for (variables, told) in [
            (&[("PSDF_WORKERS", "two")][..], "`PSDF_WORKERS` must be a whole number"),
            (&[("PSDF_WORKERS", "0")], "one or more workers"),
            (&[three], "set `PSDF_INDEX`"),
            (&[three, ("HOSTNAME", "laptop")], "`laptop` does not end with a number"),
            (&[three, ("PSDF_INDEX", "3")], "there is no process 3"),
            (
                &[three, ("PSDF_INDEX", "0"), ("PSDF_ADDRESSES", "a:1,b:2")],
                "need 3 addresses, and there are 2",
            ),
            (
                &[three, ("PSDF_INDEX", "0"), ("PSDF_ADDRESSES", "a:1,b:2,c")],
                "`c` is no address; write `host:port`",
            ),
            (&[("PSDF_SECRET", "")], "`PSDF_SECRET` must not be empty"),
            (&[("PSDF_SECRET_FILE", "/nowhere/secret")], "cannot be read from `/nowhere/secret`"),
            (&[("PSDF_PROCESSES", "100000"), ("PSDF_INDEX", "0")], "give each of fewer"),
        ] {
            assert!(wrong(variables).contains(told), "{}", wrong(variables));
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let config = Config::new("traffic").secret("hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.own_secret().bytes(), b"hunter2");
    }
}
