use std::{net::SocketAddr, time::Duration};

use buttress_config::{
    ConfigError, Env, ExposeSecret, SecretString, parse,
    presets::{self, RatePreset},
};
use buttress_envelope::Mode;
use buttress_provider::Schedule;
use buttress_rate_limit::{ListHeader, Network, Quota};
use buttress_superduperai::{ApiUrl, Token};
use tracing::warn;
use tracing_subscriber::EnvFilter;

use crate::{BreakerSettings, RetrySettings, reports};

/// All that can be set about a gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `BIND`: where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// `SUPERDUPERAI_URL` and `SUPERDUPERAI_TOKEN`: the provider, else the simulator.
    pub provider: Option<ProviderAccess>,
    /// `API_KEYS`: who may call with a key.
    pub api_keys: Vec<(String, SecretString)>,
    /// `SESSION_SECRET`: signs the cookies of guests; a random one if unset.
    pub session_secret: Option<SecretString>,
    /// `GUESTS`: whether callers without a key are let in.
    pub guests: bool,
    /// `USER_LIMIT`: what a user may ask for; `None` is `off`.
    pub user_limit: Option<Quota>,
    /// `IP_LIMIT`: what an address may ask for; `None` is `off`.
    pub ip_limit: Option<Quota>,
    /// `IMAGE_LIMIT`: how many pictures a user may order; `None` is `off`.
    pub image_limit: Option<Quota>,
    /// `VIDEO_LIMIT`: how many videos a user may order; `None` is `off`.
    pub video_limit: Option<Quota>,
    /// `PROVIDER_LIMIT`: how many calls to the provider leave.
    pub provider_limit: Quota,
    /// `TRUSTED_PROXIES`: whose client-address header is believed.
    pub trusted_proxies: Vec<Network>,
    /// `CLIENT_ADDR_HEADER`: the one header that those proxies set.
    pub client_addr_header: ListHeader,
    /// `SSE_HEARTBEAT`: the silence after which an event stream says that it lives.
    pub heartbeat: Duration,
    /// `SSE_RETAIN`: how long the events of a finished job are kept.
    pub retain: Duration,
    /// `SSE_RETAIN`: how many events of a job are kept.
    pub retain_events: usize,
    /// `ATTEMPT_TIMEOUT`: one request to the provider.
    pub attempt_timeout: Duration,
    /// `PROVIDER_TIMEOUT`: all requests of one call to the provider.
    pub provider_timeout: Duration,
    /// `IDEMPOTENCY_TTL`: how long a recorded answer is replayed.
    pub idempotency_ttl: Duration,
    /// `RETRY_ATTEMPTS`, `RETRY_BASE`, `RETRY_CAP`: calls to the provider that are tried again.
    pub retry: RetrySettings,
    /// `BREAKER` and what begins with it: when the provider is left alone; never if `None`.
    pub breaker: Option<BreakerSettings>,
    /// `DEFAULT_IMAGE_MODEL`
    pub default_image_model: String,
    /// `DEFAULT_VIDEO_MODEL`: for videos without a picture to start from.
    pub default_video_model: String,
    /// `DEFAULT_ANIMATE_MODEL`: for videos with one.
    pub default_animate_model: String,
    /// `ENVELOPE`: the shape of answers.
    pub envelope: Mode,
    /// `LOG`: how log lines look.
    pub log: LogFormat,
    /// `SENTRY_DSN`: where errors and their breadcrumbs go; nowhere if unset.
    pub sentry_dsn: Option<SecretString>,
    /// `SHUTDOWN_GRACE`: how long running requests may take to finish.
    pub shutdown_grace: Duration,
    /// `SIM_STEP`: the simulator's time for each step of a job.
    pub sim_step: Duration,
    /// How long the head of a request may take to arrive. Not a variable.
    pub header_timeout: Duration,
    /// When to look after jobs; the provider's usual times if `None`. Not a variable.
    pub schedule: Option<Schedule>,
}

/// Where the provider is, and how it knows us.
#[derive(Clone, Debug)]
pub struct ProviderAccess {
    /// Its address.
    pub url: ApiUrl,
    /// Our credentials.
    pub token: Token,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: ([127, 0, 0, 1], 3000).into(),
            provider: None,
            api_keys: Vec::new(),
            session_secret: None,
            guests: true,
            user_limit: Some(preset(presets::PER_USER)),
            ip_limit: Some(preset(presets::PER_IP)),
            image_limit: Some(preset(presets::EXPENSIVE)),
            video_limit: Some("2/min burst 2".parse().expect("a quota")),
            provider_limit: preset(presets::PROVIDER),
            trusted_proxies: Vec::new(),
            client_addr_header: ListHeader::XForwardedFor,
            heartbeat: Duration::from_secs(15),
            retain: Duration::from_secs(600),
            retain_events: 1000,
            attempt_timeout: Duration::from_secs(10),
            provider_timeout: Duration::from_secs(30),
            idempotency_ttl: DAY,
            retry: RetrySettings::default(),
            breaker: Some(BreakerSettings::default()),
            default_image_model: "comfyui/flux".into(),
            default_video_model: "google-cloud/veo2-text2video".into(),
            default_animate_model: "comfyui/ltx".into(),
            envelope: Mode::New,
            log: LogFormat::Pretty,
            sentry_dsn: None,
            shutdown_grace: Duration::from_secs(10),
            sim_step: Duration::from_millis(400),
            header_timeout: Duration::from_secs(30),
            schedule: None,
        }
    }
}

/// Parts of the gateway that do not exist yet: what would set them is refused, not ignored.
const NOT_YET: [&str; 2] = ["REDIS_URL", "STATE_DIR"];

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

impl Settings {
    /// Reads the settings from variables.
    ///
    /// # Errors
    ///
    /// Every fault, each with its variable, what is wrong, and an example.
    pub fn read(mut env: Env) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        settings.read_server(&mut env);
        settings.read_users(&mut env);
        settings.read_limits(&mut env);
        settings.read_provider(&mut env);
        settings.read_events(&mut env);
        let ttl = env.read("IDEMPOTENCY_TTL", "24h", parse::duration_in(Duration::from_secs(1)..=30 * DAY));
        put(&mut settings.idempotency_ttl, ttl);
        for name in NOT_YET {
            env.refuse(name, "is not available in this version: unset it");
        }
        env.finish()?;
        Ok(settings)
    }

    /// Says in the log which secrets are missing or easily guessed.
    pub fn warn_of_weak_secrets(&self) {
        match &self.session_secret {
            None if self.guests => warn!("SESSION_SECRET is unset: guests are forgotten when this process ends"),
            Some(secret) if weak(secret) => warn!("SESSION_SECRET is short: it can be guessed"),
            _ => {}
        }
        let weak = self.api_keys.iter().filter(|(_, key)| weak(key)).count();
        if weak > 0 {
            warn!(weak, "API_KEYS has short keys: they can be guessed");
        }
    }

    fn read_server(&mut self, env: &mut Env) {
        put(&mut self.bind, env.read("BIND", "127.0.0.1:3000", str::parse));
        let modes = [("new", Mode::New), ("legacy", Mode::Legacy), ("dual", Mode::Dual)];
        put(&mut self.envelope, env.read("ENVELOPE", "dual", parse::one_of(&modes)));
        let formats = [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
        put(&mut self.log, env.read("LOG", "json", parse::one_of(&formats)));
        let filter = |text: &str| text.parse::<EnvFilter>().map(drop);
        let _ = env.read("RUST_LOG", "info", filter);
        self.sentry_dsn = env.read_secret("SENTRY_DSN", "https://KEY@sentry.example/1", reports::dsn);
        put(&mut self.shutdown_grace, env.read("SHUTDOWN_GRACE", "10s", parse::duration_in(MILLISECOND..=HOUR)));
    }

    fn read_users(&mut self, env: &mut Env) {
        put(&mut self.api_keys, env.read_secret("API_KEYS", "alice=KEY1,bob=KEY2", parse::named_secrets(1)));
        self.session_secret =
            env.read_secret("SESSION_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", parse::secret_of(1));
        put(&mut self.guests, env.read("GUESTS", "off", parse::switch));
        if !self.guests && !env.is_set("API_KEYS") {
            env.fault("GUESTS", "is off while API_KEYS is unset: nobody could call", Some("on"));
        }
    }

    fn read_limits(&mut self, env: &mut Env) {
        let limits = [
            ("USER_LIMIT", "60/min burst 20", &mut self.user_limit),
            ("IP_LIMIT", "120/min burst 40", &mut self.ip_limit),
            ("IMAGE_LIMIT", "10/min burst 5", &mut self.image_limit),
            ("VIDEO_LIMIT", "2/min burst 2", &mut self.video_limit),
        ];
        for (name, example, limit) in limits {
            put(limit, env.read(name, example, presets::rate(str::parse::<Quota>)));
        }
        let provider = presets::some_rate(str::parse::<Quota>);
        put(&mut self.provider_limit, env.read("PROVIDER_LIMIT", "20/s burst 40", provider));
        let proxies = parse::list(str::parse::<Network>);
        put(&mut self.trusted_proxies, env.read("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8", proxies));
        let headers = [("x-forwarded-for", ListHeader::XForwardedFor), ("forwarded", ListHeader::Forwarded)];
        put(&mut self.client_addr_header, env.read("CLIENT_ADDR_HEADER", "forwarded", parse::one_of(&headers)));
    }

    fn read_provider(&mut self, env: &mut Env) {
        // Not shown either: people put credentials into addresses, and take one variable for the other.
        let url = |text: SecretString| ApiUrl::new(text.expose_secret());
        let url = env.read_secret("SUPERDUPERAI_URL", "https://editor.superduperai.co", url);
        let token = env.read_secret("SUPERDUPERAI_TOKEN", "TOKEN", |token| Token::new(token.expose_secret()));
        match (env.is_set("SUPERDUPERAI_URL"), env.is_set("SUPERDUPERAI_TOKEN")) {
            (true, false) => env.fault("SUPERDUPERAI_TOKEN", "is needed with SUPERDUPERAI_URL", None),
            (false, true) => {
                let example = Some("https://editor.superduperai.co");
                env.fault("SUPERDUPERAI_URL", "is needed with SUPERDUPERAI_TOKEN", example);
            }
            _ => self.provider = url.zip(token).map(|(url, token)| ProviderAccess { url, token }),
        }
        let timeout = || parse::duration_in(10 * MILLISECOND..=HOUR);
        let attempt = env.read("ATTEMPT_TIMEOUT", "10s", timeout());
        put(&mut self.provider_timeout, env.read("PROVIDER_TIMEOUT", "30s", timeout()));
        if attempt.is_some_and(|attempt| attempt > self.provider_timeout) {
            let whole = humantime::format_duration(self.provider_timeout).to_string();
            let problem = format!("is longer than PROVIDER_TIMEOUT ({whole}), of which it is a part");
            env.fault("ATTEMPT_TIMEOUT", problem, Some(&whole));
        }
        self.attempt_timeout = attempt.unwrap_or(self.attempt_timeout).min(self.provider_timeout);
        self.retry.read(env);
        self.breaker = BreakerSettings::read(env);
        put(&mut self.default_image_model, env.read("DEFAULT_IMAGE_MODEL", "comfyui/flux", model));
        put(&mut self.default_video_model, env.read("DEFAULT_VIDEO_MODEL", "google-cloud/veo2-text2video", model));
        put(&mut self.default_animate_model, env.read("DEFAULT_ANIMATE_MODEL", "comfyui/ltx", model));
        put(&mut self.sim_step, env.read("SIM_STEP", "400ms", parse::duration_in(MILLISECOND..=HOUR)));
    }

    fn read_events(&mut self, env: &mut Env) {
        put(&mut self.heartbeat, env.read("SSE_HEARTBEAT", "15s", parse::duration_in(10 * MILLISECOND..=HOUR)));
        if let Some((age, events)) = env.read("SSE_RETAIN", "10m / 1000 events", retain) {
            self.retain = age;
            put(&mut self.retain_events, events);
        }
    }
}

fn preset(preset: RatePreset) -> Quota {
    preset.rate().parse().expect("presets are quotas")
}

fn weak(secret: &SecretString) -> bool {
    secret.expose_secret().len() < 16
}

fn put<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn model(name: &str) -> Result<String, &'static str> {
    let fits = name.len() <= 200 && name.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(name.to_owned()) } else { Err("it is the name of a model, without spaces") }
}

/// `10m`, `10m / 1000` or `10m / 1000 events`.
fn retain(text: &str) -> Result<(Duration, Option<usize>), String> {
    let (age, events) = text.split_once('/').map_or((text, None), |(age, events)| (age, Some(events)));
    let age = parse::duration_in(Duration::from_secs(1)..=7 * DAY)(age.trim())?;
    let count = |events: &str| {
        let count = events.trim().strip_suffix("events").unwrap_or(events).trim();
        parse::number_in(1..=1_000_000)(count)
    };
    Ok((age, events.map(count).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(Env::of(variables.iter().copied())).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_the_table_of_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.bind.to_string(), "127.0.0.1:3000");
        assert!(settings.guests && settings.provider.is_none() && settings.api_keys.is_empty());
        assert_eq!((settings.retain, settings.retain_events), (Duration::from_secs(600), 1000));
        assert_eq!(settings.idempotency_ttl, DAY);
    }

    #[test]
    fn how_long_answers_are_replayed_is_a_time() {
        assert_eq!(read(&[("IDEMPOTENCY_TTL", "2h")]).unwrap().idempotency_ttl, Duration::from_secs(7_200));
        for bad in ["0s", "24", "31d", "for ever"] {
            assert!(read(&[("IDEMPOTENCY_TTL", bad)]).unwrap_err().contains("IDEMPOTENCY_TTL: "), "{bad}");
        }
    }

    #[test]
    fn limits_are_quotas_presets_or_off() {
        let settings = read(&[
            ("USER_LIMIT", "off"),
            ("IP_LIMIT", "expensive"),
            ("PROVIDER_LIMIT", "5/s"),
            ("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
            ("CLIENT_ADDR_HEADER", "forwarded"),
        ])
        .unwrap();
        assert_eq!((settings.user_limit, settings.ip_limit), (None, Some("10/min burst 5".parse().unwrap())));
        assert_eq!(
            (settings.image_limit, settings.video_limit),
            (read(&[]).unwrap().image_limit, Some("2/min burst 2".parse().unwrap()))
        );
        assert_eq!((settings.trusted_proxies.len(), settings.client_addr_header), (2, ListHeader::Forwarded));
        let error = read(&[
            ("USER_LIMIT", "0/min"),
            ("PROVIDER_LIMIT", "off"),
            ("TRUSTED_PROXIES", "10.0.0.1/8"),
            ("CLIENT_ADDR_HEADER", "x-real-ip"),
        ])
        .unwrap_err();
        for name in ["USER_LIMIT", "PROVIDER_LIMIT", "TRUSTED_PROXIES", "CLIENT_ADDR_HEADER"] {
            assert!(error.contains(&format!("\n  {name}: ")), "{name} in {error}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once_with_an_example_and_without_secrets() {
        let error = read(&[
            ("BIND", "localhost"),
            ("GUESTS", "no"),
            ("SUPERDUPERAI_TOKEN", "tok\u{e4}n-hunter2"),
            ("SSE_HEARTBEAT", "15"),
            ("SSE_RETAIN", "10m / many"),
            ("ATTEMPT_TIMEOUT", "0s"),
            ("API_KEYS", "hunter2"),
            ("LOG", "xml"),
            ("RUST_LOG", "a=b=c"),
            ("REDIS_URL", "redis://127.0.0.1"),
        ])
        .unwrap_err();
        for name in ["BIND", "GUESTS", "SUPERDUPERAI_TOKEN", "SUPERDUPERAI_URL", "SSE_HEARTBEAT", "SSE_RETAIN"] {
            assert!(error.contains(&format!("\n  {name}: ")), "{name} in {error}");
        }
        for name in ["ATTEMPT_TIMEOUT", "API_KEYS", "LOG", "RUST_LOG", "REDIS_URL"] {
            assert!(error.contains(&format!("\n  {name}: ")), "{name} in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_does_not_exist_yet_is_refused_and_not_ignored() {
        for name in NOT_YET {
            assert!(read(&[(name, "1")]).unwrap_err().contains("not available"), "{name}");
        }
    }

    #[test]
    fn a_provider_has_an_address_and_a_token_or_neither() {
        let url = ("SUPERDUPERAI_URL", "https://editor.superduperai.co");
        let token = ("SUPERDUPERAI_TOKEN", "0123456789abcdef0123456789abcdef");
        assert!(read(&[url, token]).unwrap().provider.is_some());
        assert!(read(&[url]).unwrap_err().contains("SUPERDUPERAI_TOKEN: is needed"));
        assert!(read(&[token]).unwrap_err().contains("SUPERDUPERAI_URL: is needed"));
    }

    #[test]
    fn credentials_in_an_address_are_not_shown_and_variables_that_were_swapped_neither() {
        for url in ["https://user:hunter2@example.com", "https://example.com?token=hunter2", "hunter2"] {
            let error = read(&[("SUPERDUPERAI_URL", url), ("SUPERDUPERAI_TOKEN", "https://x")]).unwrap_err();
            assert!(error.contains("SUPERDUPERAI_URL: ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn times_that_contradict_each_other_are_refused() {
        let part = "ATTEMPT_TIMEOUT: is longer than PROVIDER_TIMEOUT (";
        assert!(read(&[("ATTEMPT_TIMEOUT", "3s"), ("PROVIDER_TIMEOUT", "2s")]).unwrap_err().contains(part));
        let error = read(&[("ATTEMPT_TIMEOUT", "60s")]).unwrap_err();
        assert!(error.contains(part) && error.ends_with("for example ATTEMPT_TIMEOUT=30s"), "{error}");
        assert_eq!(read(&[("PROVIDER_TIMEOUT", "2s")]).unwrap().attempt_timeout, Duration::from_secs(2));
    }

    #[test]
    fn a_gateway_that_nobody_could_call_is_refused() {
        assert!(read(&[("GUESTS", "off")]).unwrap_err().contains("nobody could call"));
        assert!(!read(&[("GUESTS", "off"), ("API_KEYS", "alice=k")]).unwrap().guests);
    }

    #[test]
    fn retention_is_a_time_and_perhaps_a_number() {
        for (text, age, events) in [("5m", 300, None), ("5m/7", 300, Some(7)), ("10m / 1000 events", 600, Some(1000))] {
            assert_eq!(retain(text), Ok((Duration::from_secs(age), events)), "{text}");
        }
        for bad in ["", "/", "5m/", "5m/0", "0s", "5m/7/8"] {
            assert!(retain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let settings = read(&[
            ("API_KEYS", "alice=hunter2"),
            ("SESSION_SECRET", "hunter2-hunter2"),
            ("SUPERDUPERAI_URL", "http://127.0.0.1:1"),
            ("SUPERDUPERAI_TOKEN", "hunter2hunter2hunter2hunter2hunter2"),
        ]);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
