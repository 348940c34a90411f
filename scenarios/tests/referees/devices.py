"""The data plane under AWS's own SDK for devices and under Eclipse's paho: what `mqtt.rs` runs.

    devices.py sdk|paho HOST PORT CA CERTIFICATE KEY THING

Prints a line for each thing that went as the library expects it; ends with 0 only if all did. Nothing here is fleetproof's: where one
of these disagrees with the platform, the platform is wrong.
"""

import json
import sys
from concurrent.futures import Future

PATIENCE = 20


def sdk(host, port, authority, certificate, key, thing):
    from awscrt import mqtt
    from awsiot import iotshadow, mqtt_connection_builder

    connection = mqtt_connection_builder.mtls_from_path(
        endpoint=host,
        port=int(port),
        ca_filepath=authority,
        cert_filepath=certificate,
        pri_key_filepath=key,
        client_id=thing,
        clean_session=True,
    )
    connection.connect().result(PATIENCE)
    print("connected")

    heard = Future()
    topic = f"app/{thing}/sdk"
    subscribed, _ = connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: heard.set_result(payload))
    assert subscribed.result(PATIENCE)["qos"] == mqtt.QoS.AT_LEAST_ONCE
    connection.publish(topic, "said to myself", mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
    assert heard.result(PATIENCE) == b"said to myself"
    print("heard itself")

    shadows = iotshadow.IotShadowClient(connection)
    updated, refused, wanted, shown = Future(), Future(), Future(), Future()
    once = lambda future: lambda answer: future.done() or future.set_result(answer)
    qos = mqtt.QoS.AT_LEAST_ONCE
    of = iotshadow.UpdateShadowSubscriptionRequest(thing_name=thing)
    shadows.subscribe_to_update_shadow_accepted(of, qos, once(updated))[0].result(PATIENCE)
    shadows.subscribe_to_update_shadow_rejected(of, qos, once(refused))[0].result(PATIENCE)
    delta = iotshadow.ShadowDeltaUpdatedSubscriptionRequest(thing_name=thing)
    shadows.subscribe_to_shadow_delta_updated_events(delta, qos, once(wanted))[0].result(PATIENCE)
    get = iotshadow.GetShadowSubscriptionRequest(thing_name=thing)
    shadows.subscribe_to_get_shadow_accepted(get, qos, once(shown))[0].result(PATIENCE)

    state = iotshadow.ShadowState(desired={"colour": "red"}, reported={"colour": "blue"})
    update = iotshadow.UpdateShadowRequest(thing_name=thing, state=state, client_token="first")
    shadows.publish_update_shadow(update, qos).result(PATIENCE)
    accepted = updated.result(PATIENCE)
    assert (accepted.client_token, accepted.version) == ("first", 1), accepted
    assert wanted.result(PATIENCE).state == {"colour": "red"}
    print("shadow updated, delta heard")

    shadows.publish_get_shadow(iotshadow.GetShadowRequest(thing_name=thing), qos).result(PATIENCE)
    answer = shown.result(PATIENCE)
    assert answer.state.desired == {"colour": "red"} and answer.state.reported == {"colour": "blue"}, answer
    assert answer.state.delta == {"colour": "red"} and answer.version == 1, answer
    print("shadow shown")

    stale = iotshadow.UpdateShadowRequest(thing_name=thing, state=state, version=7, client_token="stale")
    shadows.publish_update_shadow(stale, qos).result(PATIENCE)
    assert refused.result(PATIENCE).code == 409
    print("stale version refused")
    connection.disconnect().result(PATIENCE)


def paho(host, port, authority, certificate, key, thing):
    import time

    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    for version in (mqtt.MQTTv311, mqtt.MQTTv5):
        happened = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=thing, protocol=version)
        client.tls_set(authority, certificate, key)
        client.on_connect = lambda client, data, flags, reason, properties: happened.append(("connected", str(reason)))
        client.on_subscribe = lambda client, data, mid, reasons, properties: happened.append(
            ("subscribed", [reason.value for reason in reasons])
        )
        client.on_message = lambda client, data, message: happened.append(
            ("heard", message.topic, message.payload, dict(getattr(message.properties, "UserProperty", [])))
        )

        def until(seen):
            end = time.monotonic() + PATIENCE
            while not any(seen(event) for event in happened):
                assert time.monotonic() < end, happened
                client.loop(0.1)
            return next(event for event in happened if seen(event))

        client.connect(host, int(port))
        assert until(lambda event: event[0] == "connected")[1] == "Success", happened
        # Its own topic, and one that its policy lets it hear nothing of.
        client.subscribe([(f"app/{thing}/+", 1), ("app/another/#", 1)])
        assert until(lambda event: event[0] == "subscribed")[1] == [1, 0x87 if version == mqtt.MQTTv5 else 0x80], happened
        properties = None
        if version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = ("made", "by paho")
        client.publish(f"app/{thing}/paho", "hello", 1, properties=properties)
        heard = until(lambda event: event[0] == "heard")
        assert heard[1:3] == (f"app/{thing}/paho", b"hello"), heard
        assert version != mqtt.MQTTv5 or heard[3] == {"made": "by paho"}, heard
        client.disconnect()
        print("spoke MQTT", "5" if version == mqtt.MQTTv5 else "3.1.1")
        # A client id connects once a second.
        time.sleep(1.1)


if __name__ == "__main__":
    {"sdk": sdk, "paho": paho}[sys.argv[1]](*sys.argv[2:])
