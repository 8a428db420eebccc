//! How many connections each address has open: one client does not take them all.

use std::net::IpAddr;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;

/// Open connections by listener and address, of listeners that have a bound for it. Has as many entries as there are
/// connections at most.
#[derive(Debug, Default)]
pub struct PerAddress {
    open: Mutex<AHashMap<(u16, IpAddr), usize>>,
}

/// A connection that is counted, until it is dropped.
#[derive(Debug)]
pub struct Entered {
    table: Arc<PerAddress>,
    key: (u16, IpAddr),
}

impl PerAddress {
    /// Counts one more connection of `address` to the listener with this number; `None` if it has `max` already.
    pub fn enter(self: &Arc<Self>, listener: u16, address: IpAddr, max: usize) -> Option<Entered> {
        let key = (listener, address);
        let mut open = self.open.lock();
        let count = open.entry(key).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Entered { table: Arc::clone(self), key })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.table.open.lock();
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count() {
        let table = Arc::new(PerAddress::default());
        let [a, b] = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let (first, _second) = (table.enter(1, a, 2).unwrap(), table.enter(1, a, 2).unwrap());
        assert!(table.enter(1, a, 2).is_none());
        assert!(table.enter(1, b, 2).is_some() && table.enter(2, a, 2).is_some());
        drop(first);
        let _third = table.enter(1, a, 2).unwrap();
        assert_eq!(table.open.lock().len(), 1, "who has none left takes no room");
    }
}
