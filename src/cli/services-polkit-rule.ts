// `llm-gateway services polkit-rule`: prints the rule that lets the starter start and stop the units of a configuration.
import { findConfigFile } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import { polkitRule } from '../systemd/starter/polkit-rule.ts'
import { type CommandIo, Output } from './output.ts'
import { serviceList } from './starter-services.ts'
import { printProblems } from './validate-config.ts'

/** @returns the exit status: 0, or 1 when there is no unit that the machine's manager starts. */
export async function servicesPolkitRuleCommand(io: CommandIo, file: string | undefined): Promise<number> {
  const loaded = loadConfig(findConfigFile(file, io.env), { env: io.env, withoutSecrets: true })
  const err = new Output(io.stderr, io.env)
  if (!loaded.ok) {
    printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const { manager, services } = serviceList(loaded.config)
  if (manager !== 'system' || services.length === 0) {
    err.line(
      'No rule is needed: the configuration has no service of the system manager (services.manager: system).',
    )
    return 1
  }
  io.stdout.write(polkitRule(services.map(({ unit }) => unit)))
  return 0
}
