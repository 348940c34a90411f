"""The data plane under AWS's own SDK for devices and under Eclipse's paho: what `mqtt.rs` runs.

    devices.py sdk|jobs|provisioning|paho HOST PORT CA CERTIFICATE KEY NAME

NAME is that of the thing; for `provisioning` that of a template, and the certificate one that many devices share.

Prints a line for each thing that went as the library expects it; ends with 0 only if all did. Nothing here is fleetproof's: where one
of these disagrees with the platform, the platform is wrong.
"""

import json
import sys
from concurrent.futures import Future

PATIENCE = 20


def connected(host, port, authority, certificate, key, name):
    from awsiot import mqtt_connection_builder

    connection = mqtt_connection_builder.mtls_from_path(
        endpoint=host,
        port=int(port),
        ca_filepath=authority,
        cert_filepath=certificate,
        pri_key_filepath=key,
        client_id=name,
        clean_session=True,
    )
    connection.connect().result(PATIENCE)
    print("connected as", name)
    return connection


def once(future):
    return lambda answer: future.done() or future.set_result(answer)


def sdk(host, port, authority, certificate, key, thing):
    from awscrt import mqtt
    from awsiot import iotshadow

    connection = connected(host, port, authority, certificate, key, thing)

    heard = Future()
    topic = f"app/{thing}/sdk"
    subscribed, _ = connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: heard.set_result(payload))
    assert subscribed.result(PATIENCE)["qos"] == mqtt.QoS.AT_LEAST_ONCE
    connection.publish(topic, "said to myself", mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
    assert heard.result(PATIENCE) == b"said to myself"
    print("heard itself")

    shadows = iotshadow.IotShadowClient(connection)
    updated, refused, wanted, shown = Future(), Future(), Future(), Future()
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


def jobs(host, port, authority, certificate, key, thing):
    """Two jobs wait for the thing, `first` and `second`; the document of each says its name."""
    from awscrt import mqtt
    from awsiot import iotjobs

    connection = connected(host, port, authority, certificate, key, thing)
    client, qos = iotjobs.IotJobsClient(connection), mqtt.QoS.AT_LEAST_ONCE

    pending, started, changed = Future(), [], []
    of = iotjobs.GetPendingJobExecutionsSubscriptionRequest(thing_name=thing)
    client.subscribe_to_get_pending_job_executions_accepted(of, qos, once(pending))[0].result(PATIENCE)
    of = iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name=thing)
    client.subscribe_to_start_next_pending_job_execution_accepted(of, qos, lambda it: started[-1].set_result(it))[0].result(PATIENCE)
    of = iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=thing)
    client.subscribe_to_next_job_execution_changed_events(of, qos, lambda it: changed[-1].set_result(it))[0].result(PATIENCE)

    ask = iotjobs.GetPendingJobExecutionsRequest(thing_name=thing, client_token="pending")
    client.publish_get_pending_job_executions(ask, qos).result(PATIENCE)
    answer = pending.result(PATIENCE)
    assert answer.client_token == "pending" and not answer.in_progress_jobs, answer
    assert [job.job_id for job in answer.queued_jobs] == ["first", "second"], answer
    print("two jobs wait")

    for job, after in (("first", "second"), ("second", None)):
        started.append(Future())
        ask = iotjobs.StartNextPendingJobExecutionRequest(thing_name=thing, status_details={"step": "begun"})
        client.publish_start_next_pending_job_execution(ask, qos).result(PATIENCE)
        execution = started[-1].result(PATIENCE).execution
        assert (execution.job_id, execution.status) == (job, "IN_PROGRESS"), execution
        assert execution.job_document == {"operation": job}, execution.job_document
        assert execution.status_details == {"step": "begun"}, execution.status_details

        accepted, rejected = [Future()], Future()
        of = iotjobs.UpdateJobExecutionSubscriptionRequest(thing_name=thing, job_id=job)
        client.subscribe_to_update_job_execution_accepted(of, qos, lambda it: accepted[-1].set_result(it))[0].result(PATIENCE)
        client.subscribe_to_update_job_execution_rejected(of, qos, once(rejected))[0].result(PATIENCE)
        version = execution.version_number

        def update(status, expected, token):
            request = iotjobs.UpdateJobExecutionRequest(
                thing_name=thing,
                job_id=job,
                status=status,
                expected_version=expected,
                status_details={"step": token},
                include_job_execution_state=True,
                client_token=token,
            )
            client.publish_update_job_execution(request, qos).result(PATIENCE)

        update("IN_PROGRESS", version, "downloaded")
        state = accepted[-1].result(PATIENCE).execution_state
        assert (state.status, state.version_number) == ("IN_PROGRESS", version + 1), state
        assert state.status_details == {"step": "downloaded"}, state
        update("SUCCEEDED", version, "too late")
        refused = rejected.result(PATIENCE)
        assert (refused.code, refused.client_token) == ("VersionMismatch", "too late"), refused
        accepted.append(Future())
        changed.append(Future())
        update("SUCCEEDED", version + 1, "done")
        assert accepted[-1].result(PATIENCE).execution_state.status == "SUCCEEDED"
        following = changed[-1].result(PATIENCE).execution
        assert (following.job_id if following else None) == after, following
        print(job, "is done, next is", after)
    connection.disconnect().result(PATIENCE)


def provisioning(host, port, authority, certificate, key, template):
    """The certificate may ask for one of its own, and nothing else; the template names things `hvac-<SerialNumber>`."""
    import os
    import tempfile

    from awscrt import mqtt
    from awsiot import iotidentity

    connection = connected(host, port, authority, certificate, key, "box-1")
    client, qos = iotidentity.IotIdentityClient(connection), mqtt.QoS.AT_LEAST_ONCE
    made, named, refused = Future(), Future(), Future()
    of = iotidentity.CreateKeysAndCertificateSubscriptionRequest()
    client.subscribe_to_create_keys_and_certificate_accepted(of, qos, once(made))[0].result(PATIENCE)
    client.publish_create_keys_and_certificate(iotidentity.CreateKeysAndCertificateRequest(), qos).result(PATIENCE)
    own = made.result(PATIENCE)
    assert own.private_key and own.certificate_pem and len(own.certificate_id) == 64, own.certificate_id
    print("has a certificate of its own")

    of = iotidentity.RegisterThingSubscriptionRequest(template_name=template)
    client.subscribe_to_register_thing_accepted(of, qos, once(named))[0].result(PATIENCE)
    client.subscribe_to_register_thing_rejected(of, qos, once(refused))[0].result(PATIENCE)

    def register(token):
        request = iotidentity.RegisterThingRequest(
            template_name=template, certificate_ownership_token=token, parameters={"SerialNumber": "7"}
        )
        client.publish_register_thing(request, qos).result(PATIENCE)

    register("guessed")
    assert refused.result(PATIENCE).status_code // 100 == 4, refused.result()
    register(own.certificate_ownership_token)
    answer = named.result(PATIENCE)
    assert answer.thing_name == "hvac-7" and answer.device_configuration == {"pace": "slow"}, answer
    print("is", answer.thing_name)
    connection.disconnect().result(PATIENCE)

    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("own.crt", "own.key")]
        for file, text in zip(files, (own.certificate_pem, own.private_key)):
            with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
                out.write(text)
        connected(host, port, authority, *files, answer.thing_name).disconnect().result(PATIENCE)


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
    {"sdk": sdk, "jobs": jobs, "provisioning": provisioning, "paho": paho}[sys.argv[1]](*sys.argv[2:])
