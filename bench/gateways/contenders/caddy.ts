import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** A bare proxy: no routing by model, no limits, no log of calls. */
export const caddy: Contender = {
  name: 'Caddy',
  setup:
    '`reverse_proxy` with `flush_interval -1`, up to 1,024 idle connections to the upstream, no admin API, no access log, `GOMAXPROCS` by its cores',
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  find: () =>
    findOnPath('caddy', ['version'], (command, place) => ({
      command,
      args: ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
      env: { HOME: place.directory, XDG_DATA_HOME: place.directory, XDG_CONFIG_HOME: place.directory },
      files: { Caddyfile: config(place) },
    })),
}

const config = ({ port, upstreamPort }: Place): string => `{
	admin off
	auto_https off
}
http://:${port} {
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:${upstreamPort} {
		flush_interval -1
		transport http {
			keepalive_idle_conns_per_host 1024
		}
	}
}
`
