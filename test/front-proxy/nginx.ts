// A real nginx in front of a gateway, with a configuration, a port and files of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { soon } from '../support/deadline.ts'
import { findProgram } from '../support/needs.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/** Connections to the gateway are kept, so that what is left over from one request would meet the next one. */
function configuration(folder: string, gatewayUrl: string, listenOn: string, forwardedFor: string): string {
  return `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr notice;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_body_timeout 200ms;
  client_header_timeout 200ms;
  lingering_close off;
  # A second request on a connection would be lawful; without them, whatever comes after the first one was smuggled.
  keepalive_timeout 0;
  upstream gateway { server ${new URL(gatewayUrl).host}; keepalive 1; }
  server {
    listen ${listenOn};
    location / {
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host localhost;
      proxy_set_header X-Forwarded-For ${forwardedFor};
      proxy_request_buffering off;
      proxy_buffering off;
    }
  }
}
`
}

export interface NginxOptions {
  /** The user that it runs as, which needs root; whoever starts it unless given. */
  readonly uid?: number
  /** `ADDRESS:PORT`; a Unix socket unless given, so that no port can be taken. */
  readonly listenOn?: string
  /** Keeps what the client wrote in `X-Forwarded-For`, and appends to it. */
  readonly appends?: boolean
}

/** @returns the Unix socket that nginx listens on, unless it was given another address. */
export function startNginx(
  t: Cleanup,
  gatewayUrl: string,
  { uid, listenOn, appends = false }: NginxOptions = {},
): Promise<{ socketPath: string }> {
  const forwardedFor = appends ? '$proxy_add_x_forwarded_for' : '$remote_addr'
  return runNginx(t, uid, (folder, socketPath) =>
    configuration(folder, gatewayUrl, listenOn ?? `unix:${socketPath}`, forwardedFor),
  )
}

/**
 * Starts nginx with one process that stays in the foreground, which the configuration must demand.
 * @param uid the user that it runs as, which needs root; undefined: whoever starts it.
 * @param configure of the folder for its files, and a path for a Unix socket in there.
 */
export async function runNginx(
  t: Cleanup,
  uid: number | undefined,
  configure: (folder: string, socketPath: string) => string,
): Promise<{ socketPath: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const file = join(folder, 'nginx.conf')
  const socketPath = join(folder, 'nginx.sock')
  writeFileSync(file, configure(folder, socketPath))
  if (uid !== undefined) chownSync(folder, uid, uid)
  const nginx = spawn(findProgram('nginx')!, ['-e', 'stderr', '-p', folder, '-c', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  const ended = once(nginx, 'close')
  t.after(async () => {
    nginx.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  })
  let said = ''
  // It says so when it has begun to listen.
  const listening = new Promise<void>((resolve) => {
    nginx.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('RLIMIT_NOFILE')) resolve()
    })
  })
  await soon(Promise.race([listening, ended]), () => `nginx to listen; it said ${said}`)
  if (nginx.exitCode !== null) throw new Error(`nginx ended: ${said}`)
  return { socketPath }
}
