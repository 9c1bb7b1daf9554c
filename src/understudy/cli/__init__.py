"""The `understudy` command: `command` puts it together, `gateway_server` is the gateway's own process."""
