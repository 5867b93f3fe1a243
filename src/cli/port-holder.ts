// Which program has taken a port at which the gateway was to listen.
import { describeListener } from './doctor/listening-program.ts'
import { requestHealth } from './doctor/request-health.ts'

/** A start that fails waits no longer than this for a program that does not respond. */
const healthTimeoutMs = 1_000

/** @returns `another gateway (pid 4711)`, `ollama (pid 4711)`, `a program of user root`, or `another program`. */
export async function describePortHolder(host: string, port: number): Promise<string> {
  const program = describeListener(host, port)
  // A request would start the service for which it holds the port.
  if (program.startsWith('systemd ')) {
    return `${program}, which holds it for a service (llm-gateway systemd status)`
  }
  const health = await requestHealth({ host, port }, healthTimeoutMs)
  return health.kind === 'gateway' ? describeListener(host, port, 'another gateway') : program
}
