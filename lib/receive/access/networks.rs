//! The addresses that may connect: `--allow CIDR`.

use std::net::IpAddr;

use ipnet::IpNet;

/// One address or a network of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse::<IpNet>());
        let network = network
            .map_err(|_| format!("'{text}' is not a network: use ADDRESS/BITS, as 192.0.2.0/24"))?;
        Ok(Network(network))
    }
}

impl Network {
    /// Whether the address is in the network. IPv4 addresses from an IPv6 socket count as IPv4.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_networks() {
        let contains = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(contains("192.0.2.0/24", "192.0.2.9"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.9"));
        assert!(!contains("192.0.2.0/24", "192.0.3.9"));
        assert!(contains("192.0.2.9", "192.0.2.9"));
        assert!(contains("2001:db8::/32", "2001:db8::1"));
        assert!("192.0.2.0/33".parse::<Network>().is_err());
    }
}
