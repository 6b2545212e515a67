/* The same as the page, as text to be sent to whoever can help. */
import { inWords } from './plan.js';

const WIDTH = 78;
export const WHERE = {
	gateway: 'On the gateway', proxy: 'On a proxy or balancer of yours', client: 'In your page or program', network: 'On this network',
};

/** Lines of at most WIDTH characters, indented but for what the first one begins with. */
function wrap(text, indent, first = indent) {
	const lines = [];
	let line = first;
	let empty = true;
	for (const word of text.split(' ')) {
		if (!empty && line.length + 1 + word.length > WIDTH) {
			lines.push(line);
			[line, empty] = [indent, true];
		}
		line += empty ? word : ` ${word}`;
		empty = false;
	}
	return [...lines, line];
}

const titled = (title, lines) => lines.length ? ['', title, '', ...lines] : [];

function tests(rows) {
	const widths = [Math.max(...rows.map(({ verdict }) => verdict.length)), Math.max(...rows.map(({ name }) => name.length))];
	return rows.flatMap(({ name, verdict, detail, ms }) => [
		`  ${verdict.padEnd(widths[0])}  ${name.padEnd(widths[1])}  ${ms === undefined ? '' : inWords(ms)}`.trimEnd(),
		...detail ? wrap(detail, ' '.repeat(widths[0] + 6)) : [],
	]);
}

/** diagnosis: of diagnose(); about: as measured. */
export function writeReport({ rows, summary, causes, advice }, { gateway, browser, at }) {
	const names = Object.fromEntries(rows.map(({ key, name }) => [key, name]));
	return [
		'Pollgate doctor: what gets through on this network',
		'',
		`  Gateway  ${gateway}`,
		`  Time     ${new Date(at).toISOString()}`,
		`  Browser  ${browser}`,
		...titled('RESULT', [...wrap(`${summary.title}.`, '  '), ...wrap(summary.text, '  ')]),
		...titled('TESTS', tests(rows)),
		...titled('LIKELY CAUSE', causes.flatMap(({ title, text, seen }) => [...wrap(title, '    ', '  * '), ...wrap(text, '    '),
			...seen.length ? wrap(`Seen in: ${seen.map((key) => names[key]).join('; ')}.`, '    ') : []])),
		...titled('WHAT TO DO', advice.flatMap(({ where, text, code }) => [...wrap(`${WHERE[where]}: ${text}`, '    ', '  * '),
			...code ? code.split('\n').map((line) => `        ${line}`) : []])),
		'',
	].join('\n');
}
