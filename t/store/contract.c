#include "contract.h"

#include "contract_kit.h"
#include "contract_parts.h"

void
contract_run(const struct contract *contract)
{
	kit_prepare();
	contract_open(contract);
	contract_apply(contract);
	contract_rooms(contract);
	contract_numbers(contract);
	contract_state(contract);
	contract_grants(contract);
	contract_tell(contract);
	contract_users(contract);
	contract_order(contract);
	contract_list(contract);
	contract_queue(contract);
	contract_read(contract);
	contract_trim(contract);
	contract_presence(contract);
	contract_doorbell(contract);
	contract_calls(contract);
	contract_limits(contract);
	contract_two(contract);
	contract_fuzz(contract);
}
