// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What all RAID controllers of Acme have in common. */
#include <linux/module.h>

u32 acme_raid_sum(const u8 *data, size_t length)
{
	u32 sum = 0;

	while (length--)
		sum = sum * 31 + *data++;
	return sum;
}
EXPORT_SYMBOL_GPL(acme_raid_sum);

MODULE_DESCRIPTION("Core of Acme RAID controllers");
MODULE_LICENSE("Dual MIT/GPL");
