//! Wall-clock times as text; the only place that reads the wall clock.

use std::time::SystemTime;

/// `2026-01-31T12:00:00.000Z`
pub(crate) fn rfc3339() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// `2026-01-31 12:00:00.000000+00:00`, as heartbeats carry it.
pub(crate) fn python() -> String {
    let text = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    text.replace('T', " ").replace('Z', "+00:00")
}

/// `2026/1/31/9`: year, month, day and hour without padding, as media paths carry them.
pub(crate) fn folder() -> String {
    unpadded(&rfc3339()[..13])
}

fn unpadded(hour: &str) -> String {
    let parts: Vec<&str> = hour
        .split(['-', 'T'])
        .map(|part| match part.trim_start_matches('0') {
            "" => "0",
            part => part,
        })
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_folders_have_no_zero_padding() {
        assert_eq!(unpadded("2025-08-08T09"), "2025/8/8/9");
        assert_eq!(unpadded("2025-12-10T00"), "2025/12/10/0");
    }

    #[test]
    fn heartbeat_times_look_like_the_providers() {
        let text = python();
        assert_eq!(text.len(), "2025-08-08 11:00:00.000000+00:00".len());
        assert!(text.ends_with("+00:00") && text.contains(' '), "{text}");
    }
}
