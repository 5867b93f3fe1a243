// `llm-gateway services run`, the command of llm-gateway-services.service: starts and stops model servers for the gateway.
// It needs no keys and no network, and reads the configuration by itself.
import { once } from 'node:events'
import { resolve } from 'node:path'
import { readConfigFile } from '../config/config-file.ts'
import { findConfigFile } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import { fileVersion } from '../config/watch.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { pathFault, systemAccounts } from '../platform/ownership.ts'
import { printable } from '../platform/printable.ts'
import { takePassedSockets } from '../systemd/listen-fds.ts'
import { takeManagerSettings } from '../systemd/notify.ts'
import type { ServicesFile } from '../systemd/starter/configured-services.ts'
import { managerRunner } from '../systemd/starter/run-manager.ts'
import { Starter } from '../systemd/starter/starter.ts'
import type { CommandIo } from './output.ts'
import { serviceList } from './starter-services.ts'

interface RunOptions {
  readonly config: string | undefined
  /** A path to listen at. Undefined: the socket that the service manager has passed. */
  readonly socket: string | undefined
}

/** @returns the exit status: 0 when nobody has needed it for a while, 1 when it has no socket. */
export async function servicesRunCommand(
  io: CommandIo,
  { config, socket }: RunOptions,
  clock: Clock = systemClock,
): Promise<number> {
  // Of no use to systemctl and systemd-run, which this starts.
  takeManagerSettings(io.env, process.pid)
  const [passed] = takePassedSockets(io.env, process.pid)
  if (passed === undefined && socket === undefined) {
    io.stderr.write('No socket was passed. systemd starts this command: llm-gateway-services.socket\n')
    return 1
  }
  const file = resolve(findConfigFile(config, io.env))
  const starter: Starter = new Starter({
    file: servicesFile(file, io.env),
    run: managerRunner(io.env),
    clock,
    log: (message) => void io.stderr.write(`${message}\n`),
    ...(socket === undefined && { onIdle: () => starter.close() }),
  })
  const { server } = starter
  server.listen(socket === undefined ? { fd: passed!.fd } : { path: socket })
  try {
    await once(server, 'listening')
  } catch (error) {
    io.stderr.write(`Cannot listen: ${printable((error as Error).message)}\n`)
    return 1
  }
  await once(server, 'close')
  return 0
}

/** The services of a configuration file, read without its secrets. */
function servicesFile(file: string, env: NodeJS.ProcessEnv): ServicesFile {
  return {
    version() {
      const version = fileVersion(file)
      const fault = version === undefined ? undefined : pathFault(file, systemAccounts())
      return fault === undefined ? version : `${version} ${fault.path} ${fault.message}`
    },
    read() {
      const trusted = readConfigFile(file, env, systemAccounts())
      if (trusted.kind === 'refused') {
        return { kind: 'untrusted', message: `${file} ${trusted.problem.message}` }
      }
      const loaded = loadConfig(file, { env, withoutSecrets: true, withoutPriceList: true })
      if (loaded.ok) return { kind: 'read', list: serviceList(loaded.config) }
      const first = loaded.problems.find(({ severity }) => severity === 'error')
      const { line = 0, path = '', message = 'is not valid' } = first ?? {}
      return { kind: 'invalid', message: `${file}:${line} ${path}: ${message}` }
    },
  }
}
