// `llm-gateway init`: a first configuration from what runs on this machine, at most five questions, and the way on: the keys stored,
// the service installed, the lines for the clients that are there.
import { resolve } from 'node:path'
import { isExampleConfig } from '../config/example-config.ts'
import { checkConfigText } from '../config/load.ts'
import { packagePath } from '../platform/package.ts'
import { printable } from '../platform/printable.ts'
import { shellWord } from '../platform/shell-word.ts'
import { storeCredential, updateDropIns } from '../systemd/credentials.ts'
import { runProgram, type RunProgram } from '../systemd/programs.ts'
import { scopeOptions, type ServicePaths } from '../systemd/scope.ts'
import { ask } from './ask.ts'
import { chosenPaths } from './chosen-paths.ts'
import { listClients, printLines } from './connect.ts'
import { clients } from './connect/clients.ts'
import { namesForClients } from './connect/model-names.ts'
import { type EditIo, readForEdit, stampOf, writeChange } from './edited-file.ts'
import { findClouds, type FoundCloud, unusedKeys } from './init/clouds.ts'
import { firstConfig } from './init/first-config.ts'
import { findFreePort } from './init/free-port.ts'
import { installService, usualPort } from './init/install-service.ts'
import { findLocalServers, type FoundServers, type LocalServer, usualPlaces } from './init/local-servers.ts'
import { ownCommand } from './invocation.ts'
import { counted, Output } from './output.ts'
import { storedCredentialNames } from './stored-credentials.ts'
import { exampleCredential } from './suggest.ts'
import { printProblems } from './validate-config.ts'

export interface InitFlags {
  /** Where to write; undefined: the service's own file. */
  readonly config?: string
  readonly user?: boolean
  readonly system?: boolean
  /** From 1 to 65535; undefined: 4000, or the next free one. */
  readonly port?: number
  /** False: install no service. */
  readonly service: boolean
  /** False: store no keys. */
  readonly keys: boolean
  readonly yes?: boolean
  readonly dryRun?: boolean
}

const triedPorts = 20

/** @returns the exit status: 0 when the configuration is written, and all that was wished for is done. */
export async function initCommand(
  io: EditIo,
  flags: InitFlags,
  run: RunProgram = runProgram,
): Promise<number> {
  const [out, err] = [new Output(io.stdout, io.env), new Output(io.stderr, io.env)]
  const paths = chosenPaths(flags, io.env)
  const file = resolve(flags.config ?? paths.configFile)
  const before = readForEdit(file)
  const isDryRun = flags.dryRun === true
  // Packages and `systemd install` leave the example where the configuration belongs.
  const isExample = before.kind === 'read' && isExampleConfig(before.text)
  if (before.kind === 'refused' && !isDryRun) {
    err.line(`error: ${printable(file)} ${before.reason}; name another file with --config.`)
    return 1
  }
  if (before.kind === 'read' && !isExample && !isDryRun) {
    err.line(
      `error: ${printable(file)} exists, and init changes no configuration but the untouched example. Add providers to it by hand, or name another file with --config; --dry-run prints what init would write.`,
    )
    return 1
  }
  const asks = flags.yes !== true && !isDryRun
  if (asks && io.stdin.isTTY !== true) {
    err.line('error: nobody is at a terminal to answer questions. Add --yes, or --dry-run to look first.')
    return 1
  }
  const progress = isDryRun ? err : out
  progress.line('Looking for model servers on this machine, and for keys in the environment …')
  const found = await findLocalServers(usualPlaces(io.env))
  const clouds = findClouds(io.env)
  printFound(progress, found, clouds)
  for (const { variable, reason } of unusedKeys(io.env)) progress.line(`  ${variable} ${reason}`)
  const port = flags.port ?? (await findFreePort(usualPort, triedPorts))
  if (port === undefined) {
    err.line(
      `error: ports ${usualPort} to ${usualPort + triedPorts - 1} are taken. Name a free one with --port.`,
    )
    return 1
  }
  if (port !== usualPort && flags.port === undefined)
    progress.line(`Port ${usualPort} is taken; the gateway will listen on ${port}.`)
  const wishes = await askAll(io, { file, servers: found.servers, clouds, asks, flags, paths, run })
  if (wishes === undefined) {
    err.line('Nothing was changed.')
    return 1
  }
  const text = firstConfig({
    schema: packagePath('config/llm-gateway.schema.json'),
    port,
    servers: wishes.servers,
    clouds: wishes.clouds,
    keys: wishes.storesKeys ? 'stored' : wishes.installsService ? 'missing' : 'environment',
    model: wishes.model,
    allowedUsers: allowedUsersOf(paths, io.env),
  })
  const credentials = wishes.storesKeys ? wishes.clouds.map(({ name }) => exampleCredential(name)) : []
  const storedCredentials = new Set([...storedCredentialNames(io.env), ...credentials])
  const checked = checkConfigText(file, text, { env: io.env, storedCredentials })
  if (!checked.ok) {
    printProblems(io, checked.problems, checked.lines)
    err.line('error: the configuration that init would write is not valid, so nothing was written.')
    return 1
  }
  if (isDryRun) {
    io.stdout.write(text)
    return 0
  }
  const mode = paths.scope === 'system' ? 0o644 : 0o600
  const changed = before.kind === 'read' ? { ...before, mode } : ({ kind: 'absent' } as const)
  const written = writeChange({ name: file, before: changed, after: text, mode }, stampOf(Date.now()))
  if ('fault' in written) {
    err.line(`error: ${written.fault}`)
    return 1
  }
  const copy = written.copy === '' ? '' : ` The example that was there: ${printable(written.copy)}.`
  out.line(`Wrote ${printable(file)}.${copy}`)
  const fault = wishes.storesKeys ? storeKeys(out, paths, wishes.clouds, io.env, run) : undefined
  if (fault !== undefined) {
    const commands = [
      ...wishes.clouds.map(({ name }) => `credential set ${name}`),
      ...(wishes.installsService ? ['systemd install'] : []),
    ]
    err.line(`error: ${fault}. Once that is mended, run:`)
    for (const command of commands) err.line(`  ${ownCommand(io.env)} ${command} --${paths.scope}`)
    return 1
  }
  const status = wishes.installsService ? await installService(io, paths, { file, port }, run) : 0
  printNext(io, file, { paths, port, wishes })
  return status
}

function printFound(out: Output, { servers, unreadable }: FoundServers, clouds: readonly FoundCloud[]): void {
  for (const { title, baseUrl, models } of servers)
    out.line(`  ${title} at ${printable(baseUrl)}: ${counted(models.length, 'model')}`)
  for (const { title, baseUrl, reason } of unreadable)
    out.line(`  where ${title} usually listens, ${printable(baseUrl)}: ${reason}, so it is left out`)
  for (const { name, variable } of clouds) out.line(`  a key for ${name} in ${variable}`)
  if (servers.length === 0 && clouds.length === 0) {
    out.line('  none; the built-in model "echo" shows that the gateway works')
  }
}

interface Wishes {
  readonly servers: readonly LocalServer[]
  readonly clouds: readonly FoundCloud[]
  readonly model: { readonly name: string; readonly provider: string } | undefined
  readonly storesKeys: boolean
  readonly installsService: boolean
}

interface Situation {
  readonly file: string
  readonly servers: readonly LocalServer[]
  readonly clouds: readonly FoundCloud[]
  readonly asks: boolean
  readonly flags: InitFlags
  readonly paths: ServicePaths
  readonly run: RunProgram
}

/** At most five questions. Undefined: nothing is to be done. */
async function askAll(io: EditIo, situation: Situation): Promise<Wishes | undefined> {
  const { file, asks, flags, paths, run } = situation
  const yes = async (question: string): Promise<boolean | undefined> => {
    if (!asks) return true
    const answer = await ask(io, `${question} [Y/n] `)
    return answer === undefined ? undefined : /^(y(es)?)?$/i.test(answer)
  }
  const hasFound = situation.servers.length > 0 || situation.clouds.length > 0
  const usesFound = hasFound ? await yes('Use these?') : true
  if (usesFound === undefined) return undefined
  const servers = usesFound ? situation.servers : []
  const clouds = usesFound ? situation.clouds : []
  const model = await chooseModel(io, servers, asks)
  if (model === 'none') return undefined
  const mayInstall = flags.service && hasServiceManager(paths, run)
  const installsService = mayInstall
    ? await yes('Install the systemd service? It starts at the first call, and again after a reboot.')
    : false
  if (installsService === undefined) return undefined
  // Nothing but the service receives what is stored.
  const mayStore = installsService && clouds.length > 0 && flags.keys
  const names = clouds.map(({ variable }) => variable).join(', ')
  const storesKeys = mayStore ? await yes(`Store ${names} as credentials of the service?`) : false
  if (storesKeys === undefined) return undefined
  if ((await yes(`Write ${printable(file)}?`)) !== true) return undefined
  return { servers, clouds, model, storesKeys, installsService }
}

const maxChoices = 20

/** `none`: the input has ended. */
async function chooseModel(
  io: EditIo,
  servers: readonly LocalServer[],
  asks: boolean,
): Promise<Wishes['model'] | 'none'> {
  const choices = servers
    .flatMap(({ name: provider, models }) => namesForClients(models).map((name) => ({ name, provider })))
    .slice(0, maxChoices)
  const [first] = choices
  if (first === undefined || choices.length === 1 || !asks) return first
  const out = new Output(io.stdout, io.env)
  for (const [index, { name, provider }] of choices.entries())
    out.line(`  ${index + 1}  ${printable(name)} (${provider})`)
  for (;;) {
    const answer = await ask(io, 'Which one do clients call unless they name another? [1] ')
    if (answer === undefined) return 'none'
    if (answer === '') return first
    const chosen = choices.find(({ name }, index) => answer === name || answer === String(index + 1))
    if (chosen !== undefined) return chosen
    out.line(`  A number from 1 to ${choices.length}, or one of these names.`)
  }
}

function hasServiceManager({ scope }: ServicePaths, run: RunProgram): boolean {
  const { stdout } = run('systemctl', [...scopeOptions(scope), 'is-system-running'])
  return ['running', 'degraded', 'starting'].includes(stdout.trim())
}

/** A system-wide service runs as a user of its own, so whoever installs it is allowed by name. */
function allowedUsersOf({ scope }: ServicePaths, env: NodeJS.ProcessEnv): readonly string[] | undefined {
  if (scope === 'user') return undefined
  const installer = env['SUDO_USER'] ?? 'root'
  return installer === 'root' ? ['root'] : [installer, 'root']
}

/** @returns why one could not be stored, as a clause. */
function storeKeys(
  out: Output,
  paths: ServicePaths,
  clouds: readonly FoundCloud[],
  env: NodeJS.ProcessEnv,
  run: RunProgram,
): string | undefined {
  try {
    for (const { name, variable } of clouds) {
      const stored = storeCredential(paths, { name: exampleCredential(name), value: env[variable]! }, run)
      const form = stored.isEncrypted ? "encrypted with this machine's key" : 'mode 0600, not encrypted'
      out.line(`Stored ${stored.name} in ${printable(stored.path)} (${form}).`)
    }
    updateDropIns(paths)
    return undefined
  } catch (error) {
    const { code, path = paths.credentialsDirectory } = error as NodeJS.ErrnoException
    return `keys could not be stored in ${printable(path)} (${code ?? String(error)})`
  }
}

function printNext(
  io: EditIo,
  file: string,
  { paths, port, wishes }: { readonly paths: ServicePaths; readonly port: number; readonly wishes: Wishes },
): void {
  const out = new Output(io.stdout, io.env)
  const { env } = io
  const isUsual = file === resolve(paths.configFile)
  const option = isUsual ? '' : ` --config ${printable(shellWord(file))}`
  const url = `http://127.0.0.1:${port}`
  if (!wishes.installsService) out.line(`Start the gateway with: ${ownCommand(env)} serve${option}`)
  out.line(`It listens on ${url}; ${ownCommand(env)} doctor${option} checks everything.`)
  const [cloud] = wishes.storesKeys || !wishes.installsService ? wishes.clouds : []
  const model = wishes.model?.name ?? (cloud === undefined ? 'echo' : `${cloud.name}/MODEL`)
  const installed = new Set(
    listClients(env, undefined)
      .filter((client) => client.is_installed)
      .map(({ name }) => name),
  )
  for (const client of clients.filter(({ name }) => installed.has(name))) {
    out.line()
    printLines(io, client, { url, model, needsKey: false }, isUsual ? {} : { config: file })
  }
  if (wishes.model === undefined && cloud !== undefined && installed.size > 0)
    out.line(`In place of MODEL, name a model of ${cloud.name}.`)
  out.line()
  out.line(`Clients that ${ownCommand(env)} can lead to the gateway: ${ownCommand(env)} connect${option}`)
}
