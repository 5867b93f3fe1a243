// Amounts of money as the status page and `llm-gateway status` show them; the report has them exactly.

/** USD from decimal text, with two decimals from 1 on and else two digits that count: `$12.50`, `$0.0034`. */
export function usdText(amount: string | number): string {
  const value = Number(amount)
  const digits = value < 1 && { maximumSignificantDigits: 2 }
  return value.toLocaleString('en', { style: 'currency', currency: 'USD', ...digits })
}
