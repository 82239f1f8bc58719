//! Samples of times. The machine may be busy with other things, so a figure and its limit are sampled in turn, and medians count.

use std::time::Duration;

/// Microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The sample below which this part (0 to 1) of all samples lies.
pub(crate) fn quantile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position among the samples")]
    let at = (last as f64 * part).round() as usize;
    samples.get(at).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(samples: &mut [f64]) -> f64 {
    quantile(samples, 0.5)
}

/// Processors of this machine.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Processor time that this process has used, in microseconds, of all its threads.
pub(crate) fn cpu_micros() -> anyhow::Result<f64> {
    cpu_micros_of("self")
}

/// The same of another process, by its number.
pub(crate) fn cpu_micros_of(process: &str) -> anyhow::Result<f64> {
    // proc_pid_stat(5): fields 14 and 15, in ticks of 10 ms; the second field, the name, may have spaces in it.
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, after) = text.rsplit_once(')').unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 * 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let mut samples = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(median(&mut samples), 3.0);
        assert_eq!(quantile(&mut samples, 1.0), 5.0);
        assert_eq!(quantile(&mut samples, 0.0), 1.0);
    }
}
