// `llm-gateway credential list`: which keys are stored and how old they are. Values are not even read.
import { readPartialConfig } from '../config/partial-config.ts'
import { listCredentials } from '../systemd/credentials.ts'
import type { Places } from '../systemd/scope.ts'
import { type CommandIo, Output, printable } from './output.ts'
import { ownCommand } from './own-command.ts'

/** The exit code: 0. */
export async function credentialListCommand(
  io: CommandIo,
  places: Places,
  config: string | undefined,
  nowMs: number,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const read = readPartialConfig(config ?? places.configFile, io.env)
  const providers = read.kind === 'read' ? [...read.config.providers] : []
  const usersOf = (name: string) =>
    providers.filter(([, used]) => used === name).map(([provider]) => provider)
  const stored = listCredentials(places.credentialsDirectory)
  for (const { name, isEncrypted, changedAtMs } of stored) {
    const users = usersOf(name)
    const use = users.length === 0 ? 'used by no provider' : `for ${users.join(', ')}`
    out.line(
      printable(
        `${name}  ${ageOf(nowMs - changedAtMs)}, ${isEncrypted ? 'encrypted' : 'not encrypted'}, ${use}`,
      ),
    )
  }
  const absent = providers.filter(
    ([, name]) => name !== undefined && !stored.some((one) => one.name === name),
  )
  for (const [provider, name] of absent) {
    out.line(
      printable(`${name}  not stored, for ${provider} (${ownCommand(io.env)} credential set ${provider})`),
    )
  }
  if (stored.length + absent.length === 0)
    out.line('No credentials are stored, and no provider asks for one.')
  return 0
}

const dayMs = 86_400_000

function ageOf(ms: number): string {
  const [count, unit] =
    ms >= dayMs ? [ms / dayMs, 'day'] : ms >= 3_600_000 ? [ms / 3_600_000, 'hour'] : [ms / 60_000, 'minute']
  const whole = Math.max(0, Math.floor(count))
  return `${whole} ${unit}${whole === 1 ? '' : 's'} old`
}
