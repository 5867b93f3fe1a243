// `llm-gateway credential list`: which keys are stored and how old they are. The keys themselves are not read.
import { readPartialConfig } from '../config/partial-config.ts'
import { listCredentials } from '../systemd/credentials.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printable } from '../platform/printable.ts'
import { ownCommand } from './invocation.ts'

/** @returns the exit status: 0. */
export async function credentialListCommand(
  io: CommandIo,
  paths: ServicePaths,
  config: string | undefined,
  nowMs: number,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const read = readPartialConfig(config ?? paths.configFile, io.env)
  const providers = read.kind === 'read' ? [...read.config.providers] : []
  const usersOf = (name: string) =>
    providers.filter(([, used]) => used === name).map(([provider]) => provider)
  const stored = listCredentials(paths.credentialsDirectory)
  for (const { name, isEncrypted, changedAtMs } of stored) {
    const users = usersOf(name)
    const use = users.length === 0 ? 'not used by any provider' : `for ${users.join(', ')}`
    const form = isEncrypted ? 'encrypted' : 'not encrypted'
    out.line(printable(`${name}  ${formatAge(nowMs - changedAtMs)}, ${form}, ${use}`))
  }
  const missing = providers.filter(
    ([, name]) => name !== undefined && !stored.some((one) => one.name === name),
  )
  for (const [provider, name] of missing) {
    out.line(
      printable(`${name}  not stored, for ${provider} (${ownCommand(io.env)} credential set ${provider})`),
    )
  }
  if (stored.length + missing.length === 0)
    out.line('No credentials are stored, and no provider refers to one.')
  return 0
}

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]

/** `3 days old`. */
export function formatAge(ms: number): string {
  const [unitMs, unit] =
    ms >= dayMs
      ? ([dayMs, 'day'] as const)
      : ms >= hourMs
        ? ([hourMs, 'hour'] as const)
        : ([minuteMs, 'minute'] as const)
  return `${counted(Math.max(0, Math.floor(ms / unitMs)), unit)} old`
}
