use proptest::prelude::*;

use super::*;

const KEY: &str = "argus_live_9f3KtWq2Zc_0123456789ABCDEFGHIJKLMNOPQRSTUV1c6QiG";
const OTHER: &str = "argus_test_P0aa81LmQe_zyxwvutsrqponmlkjihgfedcbaZYXWVU282nHX";

fn found(text: &[u8]) -> Vec<(u64, u64, String)> {
    let mut finds = Vec::new();
    scan(text, "f", &mut finds).unwrap();
    finds.into_iter().map(|find| (find.line, find.column, find.shown)).collect()
}

#[track_caller]
fn check(text: &str, want: &[(u64, u64, &str)]) {
    let want: Vec<_> = want.iter().map(|(line, column, shown)| (*line, *column, (*shown).to_owned())).collect();
    assert_eq!(found(text.as_bytes()), want, "{text}");
}

#[test]
fn keys_are_found_with_their_place() {
    check(KEY, &[(1, 1, "argus_live_9f3KtWq2Zc")]);
    check(&format!("x\nKEY=\"{KEY}\" {OTHER}\n"), &[(2, 6, "argus_live_9f3KtWq2Zc"), (2, 68, "argus_test_P0aa81LmQe")]);
}

#[test]
fn keys_inside_longer_words_are_found_once() {
    check(&format!("MY_KEY_{KEY}"), &[(1, 8, "argus_live_9f3KtWq2Zc")]);
    check(&format!("{KEY}_old_backup"), &[(1, 1, "argus_live_9f3KtWq2Zc")]);
    check(&format!("{}_{KEY}", "x".repeat(5_000)), &[(1, 5_002, "argus_live_9f3KtWq2Zc")]);
    check(&format!("{KEY}_{OTHER}"), &[(1, 1, "argus_live_9f3KtWq2Zc"), (1, 62, "argus_test_P0aa81LmQe")]);
}

#[test]
fn what_only_looks_like_a_key_is_left_alone() {
    check(&KEY.replace("1c6QiG", "1c6QiH"), &[]);
    check(&format!("{KEY}x"), &[]);
    check(&format!("x{KEY}"), &[]);
    check("argus_live_9f3KtWq2Zc", &[]);
    check("", &[]);
}

#[test]
fn administrators_keys_are_marked() {
    let text = format!("argusadm_live_0000000000_{}", "0".repeat(32));
    let sum = crate::model::key_format::checksum(text.as_bytes());
    let mut finds = Vec::new();
    scan([text.as_bytes(), &sum].concat().as_slice(), "f", &mut finds).unwrap();
    assert!(finds[0].admin);
}

/// Gives its text a few bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.len().min(self.1).min(buf.len());
        buf[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

proptest! {
    #[test]
    fn reads_of_any_size_find_the_same(before in "[ -~]{0,200}", after in "[ -~]{0,200}", size in 1_usize..80) {
        let text = format!("{before} {KEY} {after}");
        let mut finds = Vec::new();
        scan(Drops(text.as_bytes(), size), "f", &mut finds).unwrap();
        prop_assert_eq!(finds.len(), 1);
        prop_assert_eq!(finds[0].column as usize, before.len() + 2);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        found(&bytes);
    }
}
