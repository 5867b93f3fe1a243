// Schema of the gateway itself: where it listens, which clients it serves, what it logs.
import { defaults } from '../defaults.ts'
import { userName } from './names.ts'
import type { Schema } from './schema-type.ts'

const text = { type: 'string', minLength: 1, maxLength: 2048 } as const satisfies Schema

export const serverSchema = {
  type: 'object',
  description: 'Where the gateway listens, and how much it accepts.',
  additionalProperties: false,
  properties: {
    hosts: {
      type: 'array',
      description:
        'Loopback addresses to listen on. Others are refused: clients need no key, so the network must not reach the gateway.',
      default: defaults.server.hosts,
      items: text,
      minItems: 1,
    },
    port: {
      type: 'integer',
      description: 'TCP port.',
      default: defaults.server.port,
      minimum: 1,
      maximum: 65_535,
    },
    unix_socket: {
      type: ['string', 'null'],
      description:
        'Absolute path of an additional Unix socket to listen on; created with mode 0600 in a directory of mode 0700.',
      default: defaults.server.unix_socket,
      minLength: 1,
      maxLength: 107,
      pattern: '^/',
      patternErrorMessage: 'must be an absolute path',
    },
    allowed_hosts: {
      type: 'array',
      description:
        'Additional accepted values of the Host header, with or without a port, for a front proxy that keeps the public name. `localhost`, `127.0.0.1` and `[::1]` are always accepted.',
      default: defaults.server.allowed_hosts,
      items: text,
    },
    trusted_proxies: {
      type: 'array',
      description:
        'Front proxies whose `X-Forwarded-For` the gateway trusts for the client address in limits and in the log. `{ user: NAME }` trusts connections of that Unix user, and all connections to the Unix socket. A CIDR lists further proxies in front of that one; they are skipped when the header is read, from the right. A list requires at least one user.',
      default: defaults.server.trusted_proxies,
      items: {
        type: ['object', 'string'],
        minLength: 1,
        maxLength: 2048,
        additionalProperties: false,
        required: ['user'],
        properties: {
          user: {
            ...userName,
            description:
              'Unix user that the proxy runs as; `self` is the user that runs the gateway. For TCP, `access.allowed_users` must list it as well.',
          },
        },
      },
    },
    max_request_body_bytes: {
      type: 'integer',
      description: 'Maximum size of a request body in bytes; a larger one is refused with status 413.',
      default: defaults.server.max_request_body_bytes,
      minimum: 1024,
      maximum: 1_073_741_824,
    },
    body_memory_bytes: {
      type: ['integer', 'null'],
      description:
        'Memory for the request bodies of all calls at once, in bytes; one client may use three quarters of it, and workers share it equally. Beyond it clients are read more slowly, and refused with status 503 after 10 s. null: eight times `max_request_body_bytes`, or as much as the workers need. At least twice `max_request_body_bytes` for each worker.',
      default: defaults.server.body_memory_bytes,
      minimum: 2048,
      maximum: 1_099_511_627_776,
    },
    shutdown_grace_ms: {
      type: 'integer',
      description: 'How long open calls may continue after a signal to stop, in milliseconds.',
      default: defaults.server.shutdown_grace_ms,
      minimum: 0,
      maximum: 3_600_000,
    },
    heartbeat_after_ms: {
      type: 'integer',
      description:
        'Silence of a stream after which the client receives a heartbeat, in milliseconds. The first one commits the response to status 200, so a larger value leaves more errors their status; most proxies close a connection that is silent for 60 s. In the queue the first one comes at the end of `max_wait_ms`, at the latest after 50 s.',
      default: defaults.server.heartbeat_after_ms,
      minimum: 100,
      maximum: 3_600_000,
    },
    workers: {
      type: 'integer',
      description:
        'Number of threads that serve calls, for machines with several cores; limits apply exactly to all threads together.',
      default: defaults.server.workers,
      minimum: 1,
      maximum: 64,
    },
    watch_config: {
      type: 'boolean',
      description: 'Reload this file when it changes, or a [stored secret](secrets.md) that it refers to.',
      default: defaults.server.watch_config,
    },
  },
} as const satisfies Schema

export const accessSchema = {
  type: 'object',
  description: 'Which clients are served.',
  additionalProperties: false,
  properties: {
    allowed_users: {
      type: 'array',
      description:
        'Unix users whose loopback connections are served; `self` is the user that runs the gateway, `any` alone disables the check.',
      default: defaults.access.allowed_users,
      items: userName,
      minItems: 1,
      if: { contains: { const: 'any' } },
      then: {
        maxItems: 1,
        errorMessage: '"any" disables the check and must be the only entry',
        hint: 'remove "any" or all other entries',
      },
    },
    allowed_ips: {
      type: 'array',
      description:
        'Addresses or CIDR blocks of clients that are served; empty: every client that can reach the listener.',
      default: defaults.access.allowed_ips,
      items: text,
    },
  },
} as const satisfies Schema

export const corsSchema = {
  type: 'object',
  description: 'Which web pages may call the gateway from a browser. All others are refused.',
  additionalProperties: false,
  properties: {
    enabled: {
      type: 'boolean',
      description: 'Send CORS headers. If false, every request with an `Origin` is refused.',
      default: defaults.cors.enabled,
    },
    allowed_origins: {
      type: 'array',
      description:
        'Origins as browsers send them, `scheme://host[:port]`; `:*` stands for any port or none. Desktop apps: `app://-`, `tauri://localhost`, `file://`; `vscode-webview://*`, `chrome-extension://*` and the like stand for any host of a scheme that is not `http` or `https`.',
      default: defaults.cors.allowed_origins,
      items: text,
    },
    allow_all: {
      type: 'boolean',
      description: 'Allow every web page that the user visits. Unsafe: any of them can spend your tokens.',
      default: defaults.cors.allow_all,
    },
    allow_null_origin: {
      type: 'boolean',
      description:
        'Allow the origin `null`, which apps and files without an origin of their own send. Unsafe: every web page can send it from a sandboxed frame, so all of them can spend your tokens.',
      default: defaults.cors.allow_null_origin,
    },
  },
} as const satisfies Schema

export const loggingSchema = {
  type: 'object',
  description: 'What is logged. Prompts, responses and keys never are.',
  additionalProperties: false,
  properties: {
    level: {
      type: 'string',
      description: 'Lowest level that is written.',
      default: defaults.logging.level,
      enum: ['error', 'warn', 'info', 'debug'],
    },
    format: {
      type: 'string',
      description:
        '`auto`: `pretty` on a terminal, `json` otherwise. `pretty` is for people: local time, and the main facts of a call. `json` has all facts, and UTC.',
      default: defaults.logging.format,
      enum: ['auto', 'json', 'pretty'],
    },
    transport: {
      type: ['object', 'null'],
      description: 'A pino transport that receives the log instead of standard output; see below.',
      default: defaults.logging.transport,
      hint: 'write { target: NAME }',
      additionalProperties: false,
      required: ['target'],
      properties: {
        target: {
          type: 'string',
          description:
            'Name of a package, looked up from the directory of this file, or a path that begins with `/`, `./` or `../`, relative to that directory.',
          minLength: 1,
          maxLength: 4096,
        },
        options: {
          type: 'object',
          description: 'Options that the transport receives, as it defines them.',
        },
      },
    },
  },
} as const satisfies Schema
