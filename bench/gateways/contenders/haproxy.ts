import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** A bare proxy: no routing by model, no limits, no log of calls. */
export const haproxy: Contender = {
  name: 'HAProxy',
  setup: 'one thread, `mode http`, `http-reuse always`, `http-no-delay`, no log',
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  find: () =>
    findOnPath('haproxy', ['-v'], (command, place) => ({
      command,
      args: ['-db', '-f', 'haproxy.cfg'],
      files: { 'haproxy.cfg': config(place) },
    })),
}

/** A connection takes two descriptors, and the process some of its own. */
const config = ({ port, upstreamPort, maxFiles }: Place): string => `
global
  nbthread 1
  maxconn ${Math.min(20_000, Math.floor((maxFiles - 100) / 2))}
defaults
  mode http
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend calls
  bind 127.0.0.1:${port}
  default_backend scripted
backend scripted
  server upstream 127.0.0.1:${upstreamPort}
`
