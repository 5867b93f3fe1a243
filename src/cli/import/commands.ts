// Commands of the foreign file that start servers. They would run as the operator, so they are written as comments unless the
// operator asks for them.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Draft } from './draft.ts'

/** Moves services into the configuration where that was asked for and is possible. */
export function placeCommands(
  draft: Draft,
  { isAsked, hasServiceManager }: { readonly isAsked: boolean; readonly hasServiceManager: boolean },
): void {
  if (draft.services.size === 0) return
  if (!isAsked) {
    draft.errand(
      'The commands of the servers are comments: look at them, then import again with --with-commands, or write units (docs/services.md).',
    )
    return
  }
  if (!hasServiceManager) {
    draft.errand('systemd does not run this machine, so the commands of the servers stay comments.')
    return
  }
  for (const [name, service] of draft.services) {
    const provider = draft.config.providers[name]
    if (provider === undefined) continue
    if (service.run?.[0]?.startsWith('/') !== true) {
      draft.errand(`providers.${name}: write the absolute path of its program; its command stays a comment.`)
      continue
    }
    provider.service = service
    draft.services.delete(name)
  }
  if (draft.services.size > 0) return
  if (Object.keys(draft.groups).length > 0) draft.config.services = { groups: { ...draft.groups } }
  for (const name of Object.keys(draft.groups)) delete draft.groups[name]
}

/** The absolute path of a program, as the shell would find it; the text itself where there is none. */
export function programPath(program: string, env: NodeJS.ProcessEnv): string {
  if (program.includes('/')) return program
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? program
}
