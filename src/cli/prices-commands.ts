// `llm-gateway prices …`: the commands about what calls cost.
import type { Command } from 'commander'
import type { UpdateIo } from './prices-update.ts'

const configOption = ['-c, --config <file>', 'configuration file (default: see llm-gateway --help)'] as const

/** @param done receives the exit status of the command that ran. */
export function addPricesCommands(program: Command, io: UpdateIo, done: (status: number) => void): void {
  const prices = program.command('prices').description('show what calls cost')
  prices
    .command('show')
    .description('show what calls for a model cost, and where the price comes from')
    .argument('<model>', 'model name, as a client would send it')
    .option(...configOption)
    .option('--json', 'print the result as JSON')
    .action(async (model: string, { config, json = false }: { config?: string; json?: boolean }) => {
      const { pricesShowCommand } = await import('./prices-show.ts')
      done(pricesShowCommand(io, model, { config, json }))
    })
  prices
    .command('update')
    .description('use another list of prices: shows what changes, and asks')
    .requiredOption(
      '--from <file>',
      'the list: api.json of models.dev, data.json of genai-prices, or one of this command',
    )
    .option(...configOption)
    .option('--yes', 'write without asking')
    .option('--force', 'write a list that looks broken')
    .action(
      async ({
        yes = false,
        force = false,
        ...options
      }: {
        from: string
        config?: string
        yes?: boolean
        force?: boolean
      }) => {
        const { pricesUpdateCommand } = await import('./prices-update.ts')
        done(await pricesUpdateCommand(io, { ...options, yes, force }))
      },
    )
}
