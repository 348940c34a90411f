//! The data plane under the client of `rumqttc`, in MQTT 3.1.1 and 5. The platform reads packets with that package's codec; here its
//! own client has its own loop around it. It speaks plain MQTT, so the test shakes hands for it.

use crate::bench::{Bench, referee};
use crate::mqtt::Device;
use crate::server::Server;
use fleetproof_world::tls::{Identity, TlsClient};
use rumqttc::v5::mqttbytes::v5::Packet as Packet5;
use rumqttc::{Event, Packet, QoS, v5};
use std::fs;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How many packets are waited for until one must have come.
const PACKETS: usize = 50;

/// Passes plain connections on to the door of the device's account, in its name. The port to dial.
async fn relay(bench: &Bench, device: &Device) -> (u16, JoinHandle<()>) {
    let read = |file: &str| fs::read_to_string(file).unwrap();
    let identity = Identity::from_pem(&read(&device.certificate), &read(&device.key)).unwrap();
    let tls = TlsClient::trusting(&read(&device.authority), &bench.clock).unwrap().presenting(&identity).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, door) = (listener.local_addr().unwrap().port(), device.port.parse::<u16>().unwrap());
    let relaying = tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let outside = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
            let mut secret = tls.connect(Box::new(outside), "localhost").await.unwrap();
            // How a connection ends is seen by the client.
            let _ended = copy_bidirectional(&mut plain, &mut secret).await;
        }
    });
    (port, relaying)
}

#[test]
fn referee_rumqttc_says_and_hears() {
    referee("rumqttc", &[], async |bench| {
        let server = Server::start(bench);
        let device = Device::told(bench, &server);
        let (port, relaying) = relay(bench, &device).await;
        let topic = format!("app/{}/rumqttc", device.thing);

        let mut options = rumqttc::MqttOptions::new(&device.thing, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
        client.subscribe(&topic, QoS::AtLeastOnce).await.unwrap();
        client.publish(&topic, QoS::AtLeastOnce, false, "in 3.1.1").await.unwrap();
        let mut heard = None;
        for _ in 0..PACKETS {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                heard = Some((publish.topic, publish.payload));
                break;
            }
        }
        assert_eq!(heard, Some((topic.clone(), "in 3.1.1".into())));
        client.disconnect().await.unwrap();
        while events.poll().await.is_ok() {}
        // A client id connects once a second.
        bench.clock.sleep(Duration::from_millis(1_100)).await;

        let mut options = v5::MqttOptions::new(&device.thing, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut events) = v5::AsyncClient::new(options, 10);
        client.subscribe(&topic, v5::mqttbytes::QoS::AtLeastOnce).await.unwrap();
        client.subscribe("app/another/#", v5::mqttbytes::QoS::AtLeastOnce).await.unwrap();
        client.publish(&topic, v5::mqttbytes::QoS::AtLeastOnce, false, "in 5").await.unwrap();
        let (mut codes, mut heard) = (Vec::new(), None);
        for _ in 0..PACKETS {
            match events.poll().await.unwrap() {
                v5::Event::Incoming(Packet5::SubAck(answer)) => codes.extend(answer.return_codes),
                v5::Event::Incoming(Packet5::Publish(publish)) => heard = Some((publish.topic, publish.payload)),
                _ => {}
            }
            if codes.len() == 2 && heard.is_some() {
                break;
            }
        }
        use v5::mqttbytes::v5::SubscribeReasonCode::{NotAuthorized, Success};
        assert_eq!(codes, [Success(v5::mqttbytes::QoS::AtLeastOnce), NotAuthorized]);
        assert_eq!(heard, Some((topic.into(), "in 5".into())));
        client.disconnect().await.unwrap();
        relaying.abort();
        server.end();
    });
}
