// `llm-gateway providers`: the servers behind the running gateway, what they do and what they have.
import { closestName } from '../platform/did-you-mean.ts'
import { printable } from '../platform/printable.ts'
import { providersText } from '../status/providers-text.ts'
import { askStatus, type StatusOptions } from './ask-status.ts'
import { type CommandIo, Output } from './output.ts'

/**
 * @param name of the only provider to print; undefined: all.
 * @returns the exit status: 0, or 1 when no gateway answers or it has no such provider.
 */
export async function providersCommand(
  io: CommandIo,
  name: string | undefined,
  { config, json }: StatusOptions,
): Promise<number> {
  const report = await askStatus(io, config)
  if (report === undefined) return 1
  const { providers } = report
  const shown = name === undefined ? providers : providers.filter((provider) => provider.name === name)
  if (name !== undefined && shown.length === 0) {
    const names = providers.map((provider) => provider.name)
    const close = closestName(name, names)
    const hint = close === undefined ? `It has ${names.join(', ')}.` : `Did you mean "${close}"?`
    new Output(io.stderr, io.env).line(printable(`error: the gateway has no provider "${name}". ${hint}`))
    return 1
  }
  const out = new Output(io.stdout, io.env)
  if (json) out.json(shown)
  else for (const line of providersText(shown)) out.line(printable(line))
  return 0
}
